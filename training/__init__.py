"""Searches heads on frozen bases over cached features, and saves the winner as one Keras model."""
