"""Pretrained bases: the table, their weights, their taps, and the signals they are given."""
