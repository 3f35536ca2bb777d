"""Scores of labelled images, and their weighted counts.

A bootstrap replicate is a weight for every image, so metrics take weights (replicates, images).
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from data_collection.dataset.manifest import FaceRecord
from training.calibration import combine_qualities
from training.cuts.operating_point import OperatingPoint
from training.cuts.verdicts import GENERATED, REAL
from training.dataset import Dataset


@dataclass(frozen=True)
class ScoredImages:
    """Probabilities that a detector gave labelled images.

    Attributes:
        probabilities: of *generated*, shape (images,).
        labels: 1 for generated, 0 for real, shape (images,).
        groups: images that share a number are not independent, shape (images,).
        threshold: lowest probability that counts as generated; chosen without these images.
        point: the cuts of the three answers, chosen without these images; None where an image at
            the threshold is called generated and any other real.
        low, high: lowest and highest probability at any quality; None where there is only one.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    threshold: float
    point: OperatingPoint | None = None
    low: np.ndarray | None = None
    high: np.ndarray | None = None

    @classmethod
    def from_records(
        cls,
        records: Sequence[FaceRecord],
        probabilities: np.ndarray,
        threshold: float,
        point: OperatingPoint | None = None,
    ) -> "ScoredImages":
        """Build from records and probabilities (images,) or (images, qualities) in the same
        order."""
        _, groups = np.unique([record.group for record in records], return_inverse=True)
        labels = Dataset.encode_labels(records)
        if probabilities.ndim == 1:
            return cls(probabilities, labels, groups, threshold, point)
        combined, low, high = combine_qualities(probabilities)
        return cls(combined, labels, groups, threshold, point, low, high)

    def with_scores(self, probabilities: np.ndarray) -> "ScoredImages":
        """Return the same images with other probabilities, shape (images, qualities)."""
        combined, low, high = combine_qualities(probabilities)
        return replace(self, probabilities=combined, low=low, high=high)

    @property
    def predicted_generated(self) -> np.ndarray:
        return self.probabilities >= self.threshold

    @functools.cached_property
    def answers(self) -> np.ndarray:
        """The answer to every image, str (images,)."""
        if self.point is None:
            return np.where(self.predicted_generated, GENERATED, REAL)
        low, high = (self.probabilities if row is None else row for row in (self.low, self.high))
        rows = zip(self.probabilities.tolist(), low.tolist(), high.tolist(), strict=True)
        return np.array([self.point.decide(*row) for row in rows])

    @property
    def correct(self) -> np.ndarray:
        return self.predicted_generated == (self.labels == 1)

    @property
    def independent(self) -> bool:
        """Whether every image is its own group, as DeLong's and McNemar's tests require."""
        return len(np.unique(self.groups)) == len(self.groups)

    @property
    def confusion_counts(self) -> dict[str, int]:
        """Counts at the threshold, by label and prediction."""
        predicted, generated = self.predicted_generated, self.labels == 1
        return {
            "real called real": int(np.sum(~generated & ~predicted)),
            "real called generated": int(np.sum(~generated & predicted)),
            "generated called real": int(np.sum(generated & ~predicted)),
            "generated called generated": int(np.sum(generated & predicted)),
        }

    def select(self, index: np.ndarray) -> "ScoredImages":
        """Return only the images of an index or a mask."""
        low, high = (None if row is None else row[index] for row in (self.low, self.high))
        return replace(
            self,
            probabilities=self.probabilities[index],
            labels=self.labels[index],
            groups=self.groups[index],
            low=low,
            high=high,
        )


class WeightedImages:
    """Weighted counts of scored images; each is computed once for all metrics.

    Args:
        weights: one row for each replicate, shape (replicates, images).
    """

    def __init__(self, scored: ScoredImages, weights: np.ndarray):
        self.scored, self.weights = scored, weights
        self.generated = scored.labels == 1

    def weighted_sum(self, values: np.ndarray) -> np.ndarray:
        """Return the weighted sum over the images: (replicates,) from values (images,),
        (replicates, k) from (images, k)."""
        return self.weights @ values.astype(np.float64)

    @functools.cached_property
    def total_weight(self) -> np.ndarray:
        return self.weights.sum(axis=1)

    @functools.cached_property
    def confusion(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """True positives, false positives, false negatives, true negatives at the threshold."""
        predicted, generated = self.scored.predicted_generated, self.generated
        cells = np.stack(
            [predicted & generated, predicted & ~generated, ~predicted & generated], axis=1
        )
        tp, fp, fn = self.weighted_sum(cells).T
        return tp, fp, fn, np.maximum(self.total_weight - tp - fp - fn, 0)

    @functools.cached_property
    def cumulative_counts(self) -> tuple[np.ndarray, np.ndarray]:
        """True and false positives (replicates, scores + 1) down to every distinct score, from the
        highest on, after a column of 0."""
        order = np.argsort(-self.scored.probabilities, kind="stable")
        scores = self.scored.probabilities[order]
        points = np.flatnonzero(np.r_[True, np.diff(scores) != 0, True])
        weights, generated = self.weights[:, order], self.generated[order]
        counts = np.zeros((2, len(weights), len(order) + 1))
        for sums, mask in zip(counts, (generated, ~generated), strict=True):
            np.cumsum(weights * mask, axis=1, out=sums[:, 1:])
        if len(points) < len(order) + 1:
            counts = counts[:, :, points]
        return counts[0], counts[1]

    @functools.cached_property
    def rates(self) -> tuple[np.ndarray, np.ndarray]:
        """True- and false-positive rate at every point of `cumulative_counts`."""
        tp, fp = self.cumulative_counts
        return divide_or_nan(tp, tp[:, -1:]), divide_or_nan(fp, fp[:, -1:])


def divide_or_nan(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, NaN where whole is 0."""
    part, whole = np.broadcast_arrays(part, whole)
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
