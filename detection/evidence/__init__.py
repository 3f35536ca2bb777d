"""Evidence to hand on: one page of one verdict, and the check that repeats it."""
