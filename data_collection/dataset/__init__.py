"""A data set on disk: manifest, splits, grouping, stored images, verification, transfer."""
