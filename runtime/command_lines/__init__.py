"""Command lines: their words checked, parsed into settings, and passed to sub-commands."""
