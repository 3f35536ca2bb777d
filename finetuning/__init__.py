"""Search how deep to fine-tune a saved detector, and keep the result only if it helps."""
