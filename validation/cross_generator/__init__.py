"""Cross-generator evaluation: train on some generators, test on the others."""
