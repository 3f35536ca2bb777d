"""Generate a face on the page, with the generators of data_collection."""
