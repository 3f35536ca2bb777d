"""Measure what helps against generators that a head has not met; write docs/generalisation.md."""
