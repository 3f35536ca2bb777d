"""Claims of an image file about its origin: metadata, generator settings, content credentials."""
