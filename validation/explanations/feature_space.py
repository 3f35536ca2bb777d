"""The detector's feature space: nearest neighbours, a two-dimensional map, negative controls."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from data_collection.dataset.manifest import FaceRecord
from runtime import console
from validation.explanations.heat_maps import DetectorLoader, load_canonical_pixels
from validation.explanations.similar_faces import FEATURE_SPACE_COMPONENTS
from validation.predictions import Scorer
from validation.result_cache import compute_in_chunks, load_or_compute

ProjectionMethod = Literal["t-sne", "umap"]

FEATURE_SPACE_VERSION = 3
"""Part of the cache key: raise it with every change to features, thumbnails or the map."""

FEATURE_SPACE_NEIGHBOURS = 10
TSNE_PERPLEXITY = 30
FEATURE_CHUNK_IMAGES = 64
THUMBNAIL_SIDE_PX = 48


@dataclass(frozen=True)
class NeighbourPurity:
    """Share of nearest neighbours with the same label or source; images of one group do not count.

    Attributes:
        attribute: "label" or "source".
        chance: the same share among all pairs of images.
    """

    attribute: str
    share: float
    chance: float


def check_projection_installed(method: ProjectionMethod) -> None:
    """Raise PlainError if the method is UMAP, which is not installed."""
    if method == "umap" and importlib.util.find_spec("umap") is None:
        raise console.PlainError(
            "--projection umap needs a package: pip install -r requirements-umap.txt."
        )


def compute_features_and_thumbnails(
    folder: Path,
    records: Sequence[FaceRecord],
    load_detector: DetectorLoader,
    scorer: Scorer,
    title: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the heads' input features, float32 (n, width), and thumbnails, uint8
    (n, THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX, 3); `title` labels the progress bar."""

    def compute_chunk(chunk: Sequence[FaceRecord]) -> dict[str, np.ndarray]:
        features, thumbnails = [], []
        for start in range(0, len(chunk), 8):
            batch = load_canonical_pixels(folder, chunk[start : start + 8], scorer)
            features.append(load_detector().compute_features(batch))
            thumbnails += [
                np.asarray(Image.fromarray(image).resize((THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX)))
                for image in batch
            ]
        return {"features": np.concatenate(features), "thumbnails": np.stack(thumbnails)}

    def load_or_compute_chunk(chunk: Sequence[FaceRecord]) -> dict[str, np.ndarray]:
        return load_or_compute(
            scorer.cache_folder,
            "features",
            [FEATURE_SPACE_VERSION, *scorer.compute_cache_key(chunk)],
            lambda: compute_chunk(chunk),
        )

    arrays = compute_in_chunks(records, FEATURE_CHUNK_IMAGES, title, load_or_compute_chunk)
    return arrays["features"], arrays["thumbnails"]


def standardise_features(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    return (values - reference.mean(axis=0)) / np.sqrt(reference.var(axis=0) + 1e-6)


def compute_neighbour_purities(
    values: np.ndarray, records: Sequence[FaceRecord]
) -> list[NeighbourPurity]:
    """Compute purities by label and by source, from neighbours in the full space, not on the
    map."""
    from sklearn.metrics import pairwise_distances

    distances = pairwise_distances(values)
    groups = np.array([record.group for record in records])
    distances[groups[:, None] == groups] = np.inf
    count = min(FEATURE_SPACE_NEIGHBOURS, len(records) - 1)
    nearest = np.argsort(distances, axis=1)[:, :count]
    is_other_group = np.isfinite(np.take_along_axis(distances, nearest, axis=1))
    purities = []
    values_by_attribute = {
        "label": [r.label for r in records],
        "source": [f"{r.label}/{r.source}" for r in records],
    }
    for attribute, names in values_by_attribute.items():
        _, numbers = np.unique(names, return_inverse=True)
        same = numbers[nearest] == numbers[:, None]
        others = groups[:, None] != groups
        chance = (numbers[:, None] == numbers)[others].mean()
        share = float(same[is_other_group].mean())
        purities.append(NeighbourPurity(attribute, share, float(chance)))
    return purities


def reduce_features(values: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return the principal components, float32 (n, FEATURE_SPACE_COMPONENTS or fewer)."""
    from sklearn.decomposition import PCA

    return (
        PCA(min(FEATURE_SPACE_COMPONENTS, *values.shape), random_state=seed)
        .fit_transform(values)
        .astype(np.float32)
    )


def project_features(values: np.ndarray, method: ProjectionMethod, seed: int = 0) -> np.ndarray:
    """Project reduced features to two dimensions, (n, 2); distances between distant groups mean
    nothing there."""
    from sklearn.manifold import TSNE

    if method == "umap":
        import umap

        return umap.UMAP(random_state=seed, n_jobs=1).fit_transform(values)
    perplexity = min(TSNE_PERPLEXITY, (len(values) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(values)
