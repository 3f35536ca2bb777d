"""Keep pictures that were judged wrongly, with their true label."""
