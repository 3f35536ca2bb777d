"""Metrics of a detector at its frozen threshold, each with a grouped-bootstrap interval."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

REPLICATES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Judged:
    """What a detector said of labelled images.

    Attributes:
        probabilities: of *generated*, shape (images,).
        labels: 1 for generated, 0 for real, shape (images,).
        groups: images that share a number are not independent, shape (images,).
        threshold: probability from which on an image counts as generated; chosen before these images were seen.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    threshold: float


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval; NaN where the images cannot give it (one class only)."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "n/a"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


# Every metric takes image weights, shape (replicates, images), and returns one value per replicate: a bootstrap
# replicate is nothing but a weight for every image.
def roc_auc(judged: Judged, weights: np.ndarray) -> np.ndarray:
    """Area under the ROC curve; tied scores count half, one class alone gives NaN."""
    order = np.argsort(judged.probabilities, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(judged.probabilities[order]) > 0])
    generated = judged.labels[order] == 1
    sorted_weights = weights[:, order]
    positive = np.add.reduceat(sorted_weights * generated, starts, axis=1)
    negative = np.add.reduceat(sorted_weights * ~generated, starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    return _ratio((positive * below).sum(axis=1), pairs)


def accuracy(judged: Judged, weights: np.ndarray) -> np.ndarray:
    right = (judged.probabilities >= judged.threshold) == (judged.labels == 1)
    return _ratio(weights @ right, weights.sum(axis=1))


def accuracy_on_real(judged: Judged, weights: np.ndarray) -> np.ndarray:
    """Share of photographs called real: 1 minus the false-positive rate."""
    return accuracy(judged, weights * (judged.labels == 0))


def accuracy_on_generated(judged: Judged, weights: np.ndarray) -> np.ndarray:
    """Share of generated images called generated: the true-positive rate."""
    return accuracy(judged, weights * (judged.labels == 1))


def balanced_accuracy(judged: Judged, weights: np.ndarray) -> np.ndarray:
    return (accuracy_on_real(judged, weights) + accuracy_on_generated(judged, weights)) / 2


def balanced_accuracy_at_half(judged: Judged, weights: np.ndarray) -> np.ndarray:
    """Balanced accuracy if the probability alone decided, at .5."""
    return balanced_accuracy(Judged(judged.probabilities, judged.labels, judged.groups, 0.5), weights)


METRICS: dict[str, Callable[[Judged, np.ndarray], np.ndarray]] = {
    "ROC AUC": roc_auc,
    "balanced accuracy": balanced_accuracy,
    "accuracy on real": accuracy_on_real,
    "accuracy on generated": accuracy_on_generated,
    "balanced accuracy at 0.5": balanced_accuracy_at_half,
}


# Which classes a metric looks at, where it is not both.
ONE_CLASS = {"accuracy on real": (0,), "accuracy on generated": (1,)}


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)


def estimates(judged: Judged, replicates: int = REPLICATES, seed: int = 0) -> dict[str, Estimate]:
    """Every metric with its percentile interval over groups drawn with replacement within each class.

    Where nothing at all went wrong (or right) every replicate agrees and the percentile interval would be a point; the
    rule of three over the groups of the class that it looks at (the smaller one, if both) stands in for it.
    """
    plain = np.ones((1, len(judged.labels)))
    values = {name: float(metric(judged, plain)[0]) for name, metric in METRICS.items()}
    drawn = {name: [] for name in METRICS}
    generator = np.random.default_rng(seed)
    for start in range(0, replicates, 100):
        weights = _replicates(judged, min(100, replicates - start), generator)
        for name, metric in METRICS.items():
            drawn[name].append(metric(judged, weights))
    groups = [len(np.unique(judged.groups[judged.labels == label])) for label in (0, 1)]
    fewest = {name: min(groups[label] for label in ONE_CLASS.get(name, (0, 1))) for name in METRICS}
    return {name: _estimate(values[name], np.concatenate(drawn[name]), fewest[name]) for name in METRICS}


def _replicates(judged: Judged, count: int, generator: np.random.Generator) -> np.ndarray:
    weights = np.zeros((count, len(judged.labels)))
    for label in (0, 1):
        images = np.flatnonzero(judged.labels == label)
        if not len(images):
            continue
        names, numbers = np.unique(judged.groups[images], return_inverse=True)
        times = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=count)
        weights[:, images] = times[:, numbers]
    return weights


def _estimate(value: float, drawn: np.ndarray, fewest: int) -> Estimate:
    if np.isnan(value):
        return Estimate(value, value, value)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(drawn, [tail, 1 - tail])
    if low == high:
        three = 3 / max(fewest, 1)
        low, high = max(0.0, value - three), min(1.0, value + three)
    return Estimate(value, float(low), float(high))
