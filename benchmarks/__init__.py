"""Measures what Telltale promises of speed and memory; figures are ratios within one run wherever
they can be."""
