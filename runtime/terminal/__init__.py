"""Output on a terminal: tables that fit it, and texts without secrets."""
