"""Metadata of image files, and the generators that it names."""
