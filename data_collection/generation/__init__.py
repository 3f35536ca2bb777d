"""Shared by the generating sources: requests, requirements, batching, pregenerated images."""
