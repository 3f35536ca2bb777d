"""Collected data sets: found by name or path, sources removed, images corrected by hand."""
