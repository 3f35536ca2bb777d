"""Judge whether images look generated, without importing TensorFlow."""
