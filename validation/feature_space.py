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
from validation.kept import kept
from validation.predictions import Judge

Projection = Literal["t-sne", "umap"]

VERSION = 2
"""Part of what is kept: raise it with every change to features, thumbnails or the map."""

NEIGHBOURS = 10
PERPLEXITY = 30
COMPONENTS = 50
CHUNK = 64
SHUFFLES = 20
THUMBNAIL = 48

T_99 = 2.54
"""One-sided 99% quantile of Student's t with SHUFFLES - 1 degrees of freedom."""


@dataclass(frozen=True)
class Purity:
    """How often an image's nearest neighbours share its label, or its source; `chance` is how often any image does.

    Images of the same group do not count.
    """

    of: str
    share: float
    chance: float


@dataclass(frozen=True)
class Shuffled:
    """AUC on the evaluation set of a linear probe on the detector's features, trained on images of the training split.

    Attributes:
        true: with the true labels.
        mean, low, high: with labels shuffled among groups, SHUFFLES times; `low` and `high` are the extremes.
        error: standard error of the mean.
        learnt: images that the probe was trained on.
    """

    true: float
    mean: float
    low: float
    high: float
    error: float
    learnt: int

    @property
    def at_chance(self) -> bool:
        """Whether the mean is not surely above a coin's: a one-sided t test at 1%."""
        return self.mean - 0.5 <= T_99 * self.error


def check(how: Projection) -> None:
    """Raises PlainError before anything is computed if UMAP is wanted and not installed."""
    if how == "umap" and importlib.util.find_spec("umap") is None:
        raise console.PlainError("--projection umap needs a package: pip install -r requirements-umap.txt.")


def features(
    folder: Path, records: Sequence[FaceRecord], opened: Opener, judge: Judge, what: str
) -> tuple[np.ndarray, np.ndarray]:
    """Everything the detector's heads look at, float32 (n, width), and thumbnails, uint8 (n, THUMBNAIL, THUMBNAIL, 3)."""
    chunks = [records[start : start + CHUNK] for start in range(0, len(records), CHUNK)]

    def make(chunk: Sequence[FaceRecord]) -> dict[str, np.ndarray]:
        vectors, small = [], []
        for start in range(0, len(chunk), 8):
            batch = pixels(folder, chunk[start : start + 8], judge)
            vectors.append(opened().features(batch))
            small += [np.asarray(Image.fromarray(each).resize((THUMBNAIL, THUMBNAIL))) for each in batch]
        return {"features": np.concatenate(vectors), "thumbnails": np.stack(small)}

    found = [
        kept(judge.folder / "kept", "features", [VERSION, *judge.key(chunk)], lambda chunk=chunk: make(chunk))
        for chunk in console.progress(chunks, what, len(chunks))
    ]
    return tuple(np.concatenate([each[name] for each in found]) for name in ("features", "thumbnails"))


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


def shuffled(
    learnt: np.ndarray, learnt_records: Sequence[FaceRecord], values: np.ndarray, records: Sequence[FaceRecord]
) -> Shuffled:
    """The negative control: labels that mean nothing, dealt to whole groups of both splits, must not be predictable."""
    from sklearn.decomposition import PCA

    reduce = PCA(min(COMPONENTS, *learnt.shape), whiten=True, random_state=0).fit(learnt)
    x, y = reduce.transform(learnt), reduce.transform(values)
    everyone = [*learnt_records, *records]
    names, numbers = np.unique([record.group for record in everyone], return_inverse=True)
    labels = np.array([record.label == "generated" for record in everyone], dtype=int)
    of_group = np.zeros(len(names), dtype=int)
    of_group[numbers] = labels
    aucs = []
    for seed in range(SHUFFLES):
        dealt = np.random.default_rng(seed).permutation(of_group)[numbers]
        aucs.append(_probe(x, dealt[: len(x)], y, dealt[len(x) :]))
    aucs = np.array(aucs)[np.isfinite(aucs)]
    true = _probe(x, labels[: len(x)], y, labels[len(x) :])
    if not len(aucs):
        return Shuffled(true, np.nan, np.nan, np.nan, np.nan, len(learnt))
    error = float(aucs.std(ddof=1) / np.sqrt(len(aucs))) if len(aucs) > 1 else np.nan
    return Shuffled(true, float(aucs.mean()), float(aucs.min()), float(aucs.max()), error, len(learnt))


def _probe(x: np.ndarray, labels: np.ndarray, y: np.ndarray, truth: np.ndarray) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    if min(len(set(labels.tolist())), len(set(truth.tolist()))) < 2:
        return float("nan")
    return float(roc_auc_score(truth, LogisticRegression(max_iter=1000).fit(x, labels).decision_function(y)))
