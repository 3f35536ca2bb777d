"""Looks into model files before they are opened: operators, values, memory, answers."""
