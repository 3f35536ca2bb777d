"""Collects real and generated faces into one data set: originals, canonical pictures, manifest,
frozen splits."""
