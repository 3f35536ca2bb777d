"""Publish a saved detector on the Hugging Face hub, without paths of this machine."""
