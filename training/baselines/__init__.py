"""Baselines for the search: linear models, file metadata, and networks trained from scratch."""
