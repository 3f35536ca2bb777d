"""Pretrained bases: the table, their weights, their taps, and their input signals."""
