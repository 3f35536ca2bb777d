"""Distance of images from a head's training distribution."""

from dataclasses import dataclass, replace

import numpy as np

DISTANCE_COMPONENTS = 50
DISTANCE_NEIGHBOURS = 5


@dataclass(frozen=True, kw_only=True)
class TrainingDistribution:
    """Training images of a head in feature space.

    Attributes:
        index: columns of the features that the head uses, shape (used,).
        mean, scale: of those features over the training images, shape (used,).
        axes: principal components, scaled so that training images have variance 1 along each,
            shape (used, DISTANCE_COMPONENTS).
        embeddings: of the training images, shape (images, DISTANCE_COMPONENTS).
        max_distance: exceeded by at most `share` of the validation images.
    """

    index: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    axes: np.ndarray
    embeddings: np.ndarray
    max_distance: float = np.inf

    def compute_distances(self, features: np.ndarray) -> np.ndarray:
        """Return the mean distance to the DISTANCE_NEIGHBOURS nearest training images, shape
        (images,)."""
        from sklearn.neighbors import NearestNeighbors

        nearest = NearestNeighbors(n_neighbors=min(DISTANCE_NEIGHBOURS, len(self.embeddings))).fit(
            self.embeddings
        )
        return nearest.kneighbors(self.project(features))[0].mean(axis=1)

    def project(self, features: np.ndarray) -> np.ndarray:
        return ((features[:, self.index] - self.mean) / self.scale) @ self.axes

    def is_out_of_distribution(self, features: np.ndarray) -> np.ndarray:
        """Return whether images are further away than `max_distance`, shape (images,)."""
        return self.compute_distances(features) > self.max_distance


def fit_training_distribution(
    plain: np.ndarray, index: np.ndarray, train: np.ndarray, validation: np.ndarray, share: float
) -> TrainingDistribution:
    """Fit the distribution on training images; set `max_distance` on validation images.

    Args:
        plain: features of all images, the mean over the views that are scored, shape
            (images, width).
        index: columns that the head uses.
        train, validation: rows of the images.
    """
    from sklearn.decomposition import PCA

    x = plain[train][:, index]
    mean, scale = x.mean(axis=0), np.sqrt(x.var(axis=0) + 1e-6)
    reduced = PCA(min(DISTANCE_COMPONENTS, len(train) - 1, len(index)), random_state=0).fit(
        (x - mean) / scale
    )
    axes = reduced.components_.T / np.sqrt(reduced.explained_variance_ + 1e-12)
    distribution = TrainingDistribution(
        index=index, mean=mean, scale=scale, axes=axes, embeddings=((x - mean) / scale) @ axes
    )
    distances = distribution.compute_distances(plain[validation])
    max_distance = float(np.quantile(distances, 1 - share, method="higher"))
    return replace(distribution, max_distance=max_distance)
