"""Features of frozen bases: their layout, computed once per image and view, and cached."""
