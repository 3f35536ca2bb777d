"""Says of a photograph whether it looks generated, without importing TensorFlow."""
