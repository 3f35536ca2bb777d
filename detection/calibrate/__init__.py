"""Set the false-alarm cut of a detector with photographs of one's own."""
