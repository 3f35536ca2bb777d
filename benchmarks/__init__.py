"""Measure the promised speed and memory, and run studies; figures are ratios within one run where
possible."""
