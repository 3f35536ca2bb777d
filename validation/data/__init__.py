"""The images of a validation, and the check that none was used for training."""
