"""Results in the formats of the command line, each as soon as it is known."""
