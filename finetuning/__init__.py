"""Search how deep to fine-tune a saved detector; save the result only if it helps."""
