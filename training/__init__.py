"""Search heads on frozen bases over cached features, and save the best as one Keras model."""
