"""Measure what helps against generators left out of training; write docs/generalisation.md."""
