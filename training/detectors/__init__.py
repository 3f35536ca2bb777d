"""Saved detectors: assembled, written with a card, checked, and opened safely."""
