"""Check image files before Pillow opens them, one module for each container format."""
