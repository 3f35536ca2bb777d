"""Collected data sets: found by name or path, and sources removed from them."""
