"""Heat maps, the checks they have to pass, and the map of the feature space."""
