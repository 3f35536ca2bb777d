"""How far an image lies from all that a head was trained on: too far, and its verdict is no better
than a guess."""

from dataclasses import dataclass, replace

import numpy as np

DISTANCE_COMPONENTS = 50
DISTANCE_NEIGHBOURS = 5


@dataclass(frozen=True)
class TrainingDistribution:
    """Where a head's training images lie.

    Attributes:
        index: columns of the features that count, shape (used,).
        mean, scale: of those features over the training images, shape (used,).
        axes: directions in which training images differ most, scaled so that they vary by 1 in
            each, shape (used, COMPONENTS).
        places: of the training images, shape (images, COMPONENTS).
        limit: the distance that at most `share` of the validation images reach.
    """

    index: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    axes: np.ndarray
    places: np.ndarray
    limit: float = np.inf

    def distances(self, features: np.ndarray) -> np.ndarray:
        """Mean distance of images from their NEIGHBOURS nearest training images, shape
        (images,)."""
        from sklearn.neighbors import NearestNeighbors

        nearest = NearestNeighbors(n_neighbors=min(DISTANCE_NEIGHBOURS, len(self.places))).fit(
            self.places
        )
        return nearest.kneighbors(self.placed(features))[0].mean(axis=1)

    def placed(self, features: np.ndarray) -> np.ndarray:
        return ((features[:, self.index] - self.mean) / self.scale) @ self.axes

    def far(self, features: np.ndarray) -> np.ndarray:
        """Whether images lie further away than validation images do, shape (images,)."""
        return self.distances(features) > self.limit


def fit_training_distribution(
    plain: np.ndarray, index: np.ndarray, train: np.ndarray, validation: np.ndarray, share: float
) -> TrainingDistribution:
    """Learns where the training images lie, and from validation images how far others may.

    Args:
        plain: features of all images, shape (images, width).
        index: columns that the head looks at.
        train, validation: rows of the images.
    """
    from sklearn.decomposition import PCA

    x = plain[train][:, index]
    mean, scale = x.mean(axis=0), np.sqrt(x.var(axis=0) + 1e-6)
    reduced = PCA(min(DISTANCE_COMPONENTS, len(train) - 1, len(index)), random_state=0).fit(
        (x - mean) / scale
    )
    axes = reduced.components_.T / np.sqrt(reduced.explained_variance_ + 1e-12)
    found = TrainingDistribution(index, mean, scale, axes, ((x - mean) / scale) @ axes)
    return replace(
        found,
        limit=float(np.quantile(found.distances(plain[validation]), 1 - share, method="higher")),
    )
