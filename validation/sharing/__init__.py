"""Chains in which pictures are passed on, and what they do to a detector's answers."""
