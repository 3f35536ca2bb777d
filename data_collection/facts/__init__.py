"""Facts that CSV files state about images, and the search for the files that their paths mean."""
