"""How often a detector names the generator of an image rightly, wrongly, or not at all."""
