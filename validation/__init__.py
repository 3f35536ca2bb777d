"""Judges a saved detector on the hold-out, with an interval on every figure."""
