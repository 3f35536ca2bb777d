"""Names of the commands, command lines parsed into settings, and the default folders."""
