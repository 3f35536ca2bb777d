"""The page of `--html`: all judged images as thumbnails in one self-contained file."""
