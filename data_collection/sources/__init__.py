"""Sources of faces, one file per kind; registry.py lists them all."""
