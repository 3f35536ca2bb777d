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
from validation.predictions import Scorer
from validation.result_cache import compute_in_chunks, load_or_compute

ProjectionMethod = Literal["t-sne", "umap"]

FEATURE_SPACE_VERSION = 2
"""Part of what is kept: raise it with every change to features, thumbnails or the map."""

FEATURE_SPACE_NEIGHBOURS = 10
TSNE_PERPLEXITY = 30
FEATURE_SPACE_COMPONENTS = 50
FEATURE_CHUNK_IMAGES = 64
THUMBNAIL_SIDE_PX = 48


@dataclass(frozen=True)
class NeighbourPurity:
    """Share of nearest neighbours with the same label or source; `chance` is the share among all
    images.

    Images of the same group do not count.
    """

    of: str
    share: float
    chance: float


def check_projection_installed(how: ProjectionMethod) -> None:
    """Raise PlainError before anything is computed if UMAP is wanted and not installed."""
    if how == "umap" and importlib.util.find_spec("umap") is None:
        raise console.PlainError(
            "--projection umap needs a package: pip install -r requirements-umap.txt."
        )


def compute_features_and_thumbnails(
    folder: Path, records: Sequence[FaceRecord], opened: DetectorLoader, scorer: Scorer, what: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the heads' input features, float32 (n, width), and thumbnails, uint8
    (n, THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX, 3)."""

    def make(chunk: Sequence[FaceRecord]) -> dict[str, np.ndarray]:
        vectors, small = [], []
        for start in range(0, len(chunk), 8):
            batch = load_canonical_pixels(folder, chunk[start : start + 8], scorer)
            vectors.append(opened().features(batch))
            small += [
                np.asarray(Image.fromarray(each).resize((THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX)))
                for each in batch
            ]
        return {"features": np.concatenate(vectors), "thumbnails": np.stack(small)}

    def work(chunk: Sequence[FaceRecord]) -> dict[str, np.ndarray]:
        return load_or_compute(
            scorer.cache_folder,
            "features",
            [FEATURE_SPACE_VERSION, *scorer.compute_cache_key(chunk)],
            lambda: make(chunk),
        )

    found = compute_in_chunks(records, FEATURE_CHUNK_IMAGES, what, work)
    return found["features"], found["thumbnails"]


def standardise_features(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    return (values - like.mean(axis=0)) / np.sqrt(like.var(axis=0) + 1e-6)


def compute_neighbour_purities(
    values: np.ndarray, records: Sequence[FaceRecord]
) -> list[NeighbourPurity]:
    """Nearest neighbours in the full space, not on the map; images of the same group do not
    count."""
    from sklearn.metrics import pairwise_distances

    apart = pairwise_distances(values)
    groups = np.array([record.group for record in records])
    apart[groups[:, None] == groups] = np.inf
    count = min(FEATURE_SPACE_NEIGHBOURS, len(records) - 1)
    nearest = np.argsort(apart, axis=1)[:, :count]
    near = np.isfinite(np.take_along_axis(apart, nearest, axis=1))
    found = []
    wholes = {
        "label": [r.label for r in records],
        "source": [f"{r.label}/{r.source}" for r in records],
    }
    for of, names in wholes.items():
        _, numbers = np.unique(names, return_inverse=True)
        same = numbers[nearest] == numbers[:, None]
        others = groups[:, None] != groups
        chance = (numbers[:, None] == numbers)[others].mean()
        found.append(NeighbourPurity(of, float(same[near].mean()), float(chance)))
    return found


def reduce_features(values: np.ndarray, seed: int = 0) -> np.ndarray:
    """The COMPONENTS directions in which the features differ most, float32 (n, COMPONENTS)."""
    from sklearn.decomposition import PCA

    return (
        PCA(min(FEATURE_SPACE_COMPONENTS, *values.shape), random_state=seed)
        .fit_transform(values)
        .astype(np.float32)
    )


def project_features(values: np.ndarray, how: ProjectionMethod, seed: int = 0) -> np.ndarray:
    """Two dimensions for looking at, (n, 2), of reduced features; distances between far groups mean
    nothing on it."""
    from sklearn.manifold import TSNE

    if how == "umap":
        import umap

        return umap.UMAP(random_state=seed, n_jobs=1).fit_transform(values)
    perplexity = min(TSNE_PERPLEXITY, (len(values) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(values)
