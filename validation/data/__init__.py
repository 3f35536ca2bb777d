"""The images a detector is validated on, and proof that it has not learnt from them."""
