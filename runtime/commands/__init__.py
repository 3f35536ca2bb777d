"""Names of the commands, default folders and suggestions."""
