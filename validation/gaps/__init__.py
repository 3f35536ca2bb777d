"""Gaps in false alarms between the values of a column of facts."""
