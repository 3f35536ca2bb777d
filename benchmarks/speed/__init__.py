"""Measure speed and memory of each command; `python -m benchmarks.run` runs them all."""
