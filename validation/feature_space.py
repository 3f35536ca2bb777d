"""Where images lie in the space of the detector's features: neighbours, a map of two dimensions, and the negative controls."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from data_collection import console
from data_collection.manifest import FaceRecord
from validation.heat_maps import Opener, pixels
from validation.kept import in_chunks, kept
from validation.predictions import Judge

Projection = Literal["t-sne", "umap"]

VERSION = 2
"""Part of what is kept: raise it with every change to features, thumbnails or the map."""

NEIGHBOURS = 10
PERPLEXITY = 30
COMPONENTS = 50
CHUNK = 64
THUMBNAIL = 48


@dataclass(frozen=True)
class Purity:
    """How often an image's nearest neighbours share its label, or its source; `chance` is how often any image does.

    Images of the same group do not count.
    """

    of: str
    share: float
    chance: float


def check(how: Projection) -> None:
    """Raises PlainError before anything is computed if UMAP is wanted and not installed."""
    if how == "umap" and importlib.util.find_spec("umap") is None:
        raise console.PlainError("--projection umap needs a package: pip install -r requirements-umap.txt.")


def features(
    folder: Path, records: Sequence[FaceRecord], opened: Opener, judge: Judge, what: str
) -> tuple[np.ndarray, np.ndarray]:
    """Everything the detector's heads look at, float32 (n, width), and thumbnails, uint8 (n, THUMBNAIL, THUMBNAIL, 3)."""

    def make(chunk: Sequence[FaceRecord]) -> dict[str, np.ndarray]:
        vectors, small = [], []
        for start in range(0, len(chunk), 8):
            batch = pixels(folder, chunk[start : start + 8], judge)
            vectors.append(opened().features(batch))
            small += [np.asarray(Image.fromarray(each).resize((THUMBNAIL, THUMBNAIL))) for each in batch]
        return {"features": np.concatenate(vectors), "thumbnails": np.stack(small)}

    def work(chunk: Sequence[FaceRecord]) -> dict[str, np.ndarray]:
        return kept(judge.folder / "kept", "features", [VERSION, *judge.key(chunk)], lambda: make(chunk))

    found = in_chunks(records, CHUNK, what, work)
    return found["features"], found["thumbnails"]


def standardised(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    return (values - like.mean(axis=0)) / np.sqrt(like.var(axis=0) + 1e-6)


def purities(values: np.ndarray, records: Sequence[FaceRecord]) -> list[Purity]:
    """Nearest neighbours in the full space, not on the map; images of the same group do not count."""
    from sklearn.metrics import pairwise_distances

    apart = pairwise_distances(values)
    groups = np.array([record.group for record in records])
    apart[groups[:, None] == groups] = np.inf
    count = min(NEIGHBOURS, len(records) - 1)
    nearest = np.argsort(apart, axis=1)[:, :count]
    near = np.isfinite(np.take_along_axis(apart, nearest, axis=1))
    found = []
    wholes = {"label": [r.label for r in records], "source": [f"{r.label}/{r.source}" for r in records]}
    for of, names in wholes.items():
        _, numbers = np.unique(names, return_inverse=True)
        same = numbers[nearest] == numbers[:, None]
        others = groups[:, None] != groups
        chance = (numbers[:, None] == numbers)[others].mean()
        found.append(Purity(of, float(same[near].mean()), float(chance)))
    return found


def reduced(values: np.ndarray, seed: int = 0) -> np.ndarray:
    """The COMPONENTS directions in which the features differ most, float32 (n, COMPONENTS)."""
    from sklearn.decomposition import PCA

    return PCA(min(COMPONENTS, *values.shape), random_state=seed).fit_transform(values).astype(np.float32)


def projected(values: np.ndarray, how: Projection, seed: int = 0) -> np.ndarray:
    """Two dimensions for looking at, (n, 2), of reduced features; distances between far groups mean nothing on it."""
    from sklearn.manifold import TSNE

    if how == "umap":
        import umap

        return umap.UMAP(random_state=seed, n_jobs=1).fit_transform(values)
    perplexity = min(PERPLEXITY, (len(values) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(values)
