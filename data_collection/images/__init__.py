"""From bytes to canonical pixels: the only path by which pixels reach a network."""
