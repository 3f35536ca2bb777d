"""Names of the commands, default folders, suggestions, and what the terminal may show."""
