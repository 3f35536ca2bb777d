"""Distortions of the images, and what they do to the metrics."""
