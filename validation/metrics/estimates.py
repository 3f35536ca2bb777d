"""Estimate metrics with 95% intervals from a bootstrap over groups."""

from collections.abc import Iterable, Sequence
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
from validation.metrics.metrics import METRICS, Metric
from validation.metrics.scored_images import ScoredImages, WeightedImages


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval.

    All are NaN if the images cannot give the value (one class only, or too few photographs). The
    interval alone is NaN if all bootstrap samples agree and there is no exact interval, as for the
    F1 score of a detector that made no error.
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
    scored: ScoredImages,
    names: Iterable[str] = tuple(METRICS),
    replicates: int = BOOTSTRAP_REPLICATES,
    seed: int = 0,
    confidence: float = CONFIDENCE_LEVEL,
) -> dict[str, Estimate]:
    """Compute metrics with percentile intervals over groups resampled within each class.

    With few groups or few errors the bootstrap interval is too narrow, so it is widened: to the
    exact one of a proportion or Newcombe's of an AUC, both with one observation per group.
    """
    groups = [len(np.unique(scored.groups[scored.labels == label])) for label in (0, 1)]
    rows = [METRICS[name] for name in names]
    computable = [
        row
        for row in rows
        if all(groups[label] for label in row.classes) and groups[0] >= row.min_real_groups
    ]
    unweighted = WeightedImages(scored, np.ones((1, len(scored.labels))))
    samples: dict[str, list[np.ndarray]] = {row.name: [] for row in computable}
    for weights in resample_groups(scored, replicates if computable else 0, seed):
        sample = WeightedImages(scored, weights)
        for row in computable:
            samples[row.name].append(row.compute(sample))
    estimates = {row.name: Estimate(np.nan, np.nan, np.nan) for row in rows}
    for row in computable:
        value, low, high = float(row.compute(unweighted)[0]), np.nan, np.nan
        if row.has_bootstrap_interval:
            replicate_values = np.concatenate(samples[row.name])
            low, high = compute_percentile_interval(replicate_values, confidence)
        wider = _compute_small_sample_interval(row, value, scored, groups, confidence)
        if wider:
            low, high = merge_intervals((low, high), wider)
        estimates[row.name] = Estimate(value, low, high)
    return estimates


def _compute_small_sample_interval(
    row: Metric, value: float, scored: ScoredImages, groups: Sequence[int], confidence: float
) -> tuple[float, float] | None:
    """Return the exact interval of a proportion, Newcombe's of an AUC, or None."""
    if row.is_proportion:
        return compute_exact_interval(
            value, sum(groups[label] for label in row.classes), confidence
        )
    if row.name == "ROC AUC" and np.ptp(scored.probabilities) > 0:
        return compute_auc_score_interval(value, *groups, confidence)
    return None
