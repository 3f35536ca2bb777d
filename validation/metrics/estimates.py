"""Estimate: a value with its 95% interval. estimate_metrics() computes one for each metric from a
bootstrap over groups."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from validation.metrics.intervals import (
    BOOTSTRAP_REPLICATES,
    CONFIDENCE_LEVEL,
    compute_auc_score_interval,
    compute_exact_interval,
    compute_percentile_interval,
    merge_intervals,
    resample_groups,
)
from validation.metrics.metrics import METRICS
from validation.metrics.scored_images import ScoredImages, WeightedImages


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval.

    All are NaN where the images cannot give the value (one class only, or too few photographs); the
    interval alone is NaN where every bootstrap sample agrees and no exact interval is known, as of
    the F1 score of a detector that made no error.
    """

    value: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        return bool(np.isfinite(self.low) and np.isfinite(self.high))

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "n/a"
        return f"{self.value:.3f} " + (
            f"({self.low:.3f} to {self.high:.3f})" if self.known else "(no interval)"
        )


def estimate_metrics(
    judged: ScoredImages,
    names: Iterable[str] = tuple(METRICS),
    replicates: int = BOOTSTRAP_REPLICATES,
    seed: int = 0,
    confidence: float = CONFIDENCE_LEVEL,
) -> dict[str, Estimate]:
    """Metrics with their percentile intervals over groups drawn with replacement within each class.

    Where few groups or few errors make the bootstrap too sure, an interval that knows better widens
    it: the exact one of a share, Newcombe's of an AUC, both with one observation for each group.
    """
    groups = [len(np.unique(judged.groups[judged.labels == label])) for label in (0, 1)]
    rows = [METRICS[name] for name in names]
    given = [
        row
        for row in rows
        if all(groups[label] for label in row.classes) and groups[0] >= row.fewest_real
    ]
    plain = WeightedImages(judged, np.ones((1, len(judged.labels))))
    drawn: dict[str, list[np.ndarray]] = {row.name: [] for row in given}
    for weights in resample_groups(judged, replicates if given else 0, seed):
        sample = WeightedImages(judged, weights)
        for row in given:
            drawn[row.name].append(row.compute(sample))
    found = {row.name: Estimate(np.nan, np.nan, np.nan) for row in rows}
    for row in given:
        value = float(row.compute(plain)[0])
        low, high = (
            compute_percentile_interval(np.concatenate(drawn[row.name]), confidence)
            if row.spread
            else (np.nan, np.nan)
        )
        if row.share:
            low, high = merge_intervals(
                (low, high),
                compute_exact_interval(
                    value, sum(groups[label] for label in row.classes), confidence
                ),
            )
        elif row.name == "ROC AUC" and np.ptp(judged.probabilities) > 0:
            low, high = merge_intervals(
                (low, high), compute_auc_score_interval(value, *groups, confidence)
            )
        found[row.name] = Estimate(value, low, high)
    return found
