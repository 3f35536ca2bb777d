"""Metrics, their intervals, breakdowns and comparisons."""
