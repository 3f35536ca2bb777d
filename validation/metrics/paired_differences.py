"""Differences of two detectors on the same images, with paired intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from validation.metrics.estimates import NO_INTERVAL, Estimate, estimate_metrics
from validation.metrics.intervals import (
    BOOTSTRAP_REPLICATES,
    combine_intervals,
    resample_groups,
)
from validation.metrics.metrics import METRICS
from validation.metrics.scored_images import ScoredImages, WeightedImages


@dataclass(frozen=True, kw_only=True)
class PairedEstimate:
    """A metric of two detectors on the same images, and the first minus the second.

    Attributes:
        equal: whether the two are equal on these images and however they are resampled.
    """

    first: Estimate
    second: Estimate
    difference: Estimate
    equal: bool


def estimate_paired_differences(
    first: ScoredImages,
    second: ScoredImages,
    metrics: Sequence[str],
    replicates: int = BOOTSTRAP_REPLICATES,
    seed: int = 0,
) -> dict[str, PairedEstimate]:
    """Estimate each metric of both detectors and its difference, if the images have the classes
    that it needs.

    The interval of a difference follows from both intervals and from how much the two metrics move
    together when groups are resampled, so it is as careful with few errors as they are.
    """
    usable = [name for name in metrics if set(METRICS[name].classes) <= set(first.labels.tolist())]
    estimates = [estimate_metrics(scored, usable, replicates, seed) for scored in (first, second)]
    resampled = _resample_both(first, second, usable, replicates, seed)
    return {
        name: _combine_estimates(estimates[0][name], estimates[1][name], resampled[name])
        for name in usable
    }


def _resample_both(
    first: ScoredImages, second: ScoredImages, names: Sequence[str], replicates: int, seed: int
) -> dict[str, np.ndarray]:
    """Return the metrics of both detectors on the same resampled groups, (2, replicates)."""
    resampled: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for weights in resample_groups(first, replicates, seed):
        samples = WeightedImages(first, weights), WeightedImages(second, weights)
        for name in names:
            resampled[name].append(np.stack([METRICS[name].compute(part) for part in samples]))
    return {name: np.concatenate(parts, axis=1) for name, parts in resampled.items()}


def _combine_estimates(first: Estimate, second: Estimate, resampled: np.ndarray) -> PairedEstimate:
    value, interval = first.value - second.value, NO_INTERVAL
    if first.known and second.known:
        below = first.value - first.low, second.high - second.value
        above = first.high - first.value, second.value - second.low
        interval = combine_intervals(value, below, above, -_correlate(*resampled))
    return PairedEstimate(
        first=first,
        second=second,
        difference=Estimate(value, *interval, first.reason or second.reason),
        equal=value == 0 and np.array_equal(*resampled),
    )


def _correlate(first: np.ndarray, second: np.ndarray) -> float:
    """Return the correlation of two metrics over the resampled groups; 0 if one never changes."""
    finite = np.isfinite(first) & np.isfinite(second)
    deviations = [values[finite] - values[finite].mean() for values in (first, second)]
    scale = np.sqrt(np.prod([np.sum(values**2) for values in deviations]))
    return float(np.sum(deviations[0] * deviations[1]) / scale) if scale > 1e-12 else 0.0
