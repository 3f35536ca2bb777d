"""Bootstrap t intervals of metrics that are read from the scores themselves, without a cut."""

from collections.abc import Sequence

import numpy as np

from validation.metrics.intervals import Interval, resample_groups
from validation.metrics.metrics import Metric
from validation.metrics.scored_images import ScoredImages, WeightedImages
from validation.metrics.shares import count_effective_groups

PRIOR_GROUPS = 2
"""An invented image weighs as much as one group divided by this and by each group of its class
whose scores lie among the other class's."""

INTERVAL_TOLERANCE = 1e-9
"""Replicates that differ by less are equal but for rounding."""


def compute_score_intervals(
    scored: ScoredImages, rows: Sequence[Metric], replicates: int, seed: int, confidence: float
) -> dict[str, Interval]:
    """Return t intervals, symmetric on a logit scale, from bootstrap samples of groups.

    One invented image a class, which the detector takes for the other class, is drawn with them
    (`add_mistaken_images`): else few errors give too narrow an interval, and none a point. NaN if
    all samples agree, which does not mean certainty.
    """
    from scipy.special import stdtrit

    sample, base_weights = add_mistaken_images(scored)
    resampled: dict[str, list[np.ndarray]] = {row.name: [] for row in rows}
    for times in resample_groups(sample, replicates, seed):
        weighted = WeightedImages(sample, times * base_weights)
        for row in rows:
            resampled[row.name].append(row.compute(weighted))
    observed, invented = (
        WeightedImages(images, weights[None])
        for images, weights in ((scored, np.ones(len(scored.labels))), (sample, base_weights))
    )
    n_groups = min(
        count_effective_groups(scored.groups[scored.labels == label]) for label in (0, 1)
    )
    reach = stdtrit(n_groups - 1, (1 + confidence) / 2) * np.sqrt(n_groups / (n_groups - 1))
    return {
        row.name: _compute_logit_interval(
            np.array([row.compute(observed)[0], row.compute(invented)[0]]) / row.highest,
            reach * np.nanstd(np.concatenate(resampled[row.name])) / row.highest,
            row.highest,
        )
        for row in rows
    }


def _compute_logit_interval(values: np.ndarray, reach: float, highest: float) -> Interval:
    """Return the interval around the value and the value with the invented images.

    Args:
        values: these two, between 0 and 1; only the first can be 0 or 1.
        reach: half the interval's length at the second.
        highest: the value that 1 stands for.
    """
    from scipy.special import expit, logit

    if not reach > INTERVAL_TOLERANCE:
        return np.nan, np.nan
    logit_reach = reach / (values[1] * (1 - values[1]))
    low = highest * expit(logit(values).min() - logit_reach)
    high = highest * expit(logit(values).max() + logit_reach)
    return float(low), float(high)


def add_mistaken_images(scored: ScoredImages) -> tuple[ScoredImages, np.ndarray]:
    """Add one image a class with the median score of the other class, a group of its own.

    Returns:
        The images, and their weights: 1, and for an added image half the size of a typical group,
        less the more groups of its class there are whose scores lie among the other class's.
    """
    members = [scored.labels == label for label in (0, 1)]
    medians = [np.median(scored.probabilities[member]) for member in members]
    last_group = scored.groups.max()
    sample = ScoredImages(
        np.concatenate([scored.probabilities, medians[::-1]]),
        np.concatenate([scored.labels, [0, 1]]),
        np.concatenate([scored.groups, [last_group + 1, last_group + 2]]),
        scored.threshold,
    )
    weights = [_weigh_mistaken_image(scored, label) for label in (0, 1)]
    return sample, np.concatenate([np.ones(len(scored.labels)), weights])


def _weigh_mistaken_image(scored: ScoredImages, label: int) -> float:
    groups = scored.groups[scored.labels == label]
    typical_size = len(groups) / count_effective_groups(groups)
    overlap = _compute_overlap(scored, label)
    sums = np.bincount(np.unique(groups, return_inverse=True)[1], overlap)
    n_overlapping = sums.sum() ** 2 / np.sum(sums**2) if sums.any() else 0.0
    return float(typical_size / (PRIOR_GROUPS + n_overlapping))


def _compute_overlap(scored: ScoredImages, label: int) -> np.ndarray:
    """Return, for each image of a class, the share of the other class on its wrong side; ties count
    half."""
    own, other = (scored.probabilities[scored.labels == value] for value in (label, 1 - label))
    other = np.sort(other)
    below = (np.searchsorted(other, own, "left") + np.searchsorted(other, own, "right")) / 2
    return below / len(other) if label == 0 else 1 - below / len(other)
