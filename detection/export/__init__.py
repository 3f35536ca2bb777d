"""Export a saved detector to other runtimes and check every exported file."""
