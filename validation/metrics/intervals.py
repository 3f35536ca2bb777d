"""Intervals: a bootstrap over whole groups, and exact ones for few groups or few errors."""

from collections.abc import Iterator

import numpy as np

from validation.metrics.scored_images import ScoredImages

BOOTSTRAP_REPLICATES = 2000
CONFIDENCE_LEVEL = 0.95
REPLICATES_PER_CHUNK = 100
INTERVAL_TOLERANCE = 1e-9
"""Replicates that differ by less are equal but for rounding. An area of exactly 0 or 1 is a
spurious root of the equation of its interval, so the search begins this far from it."""


def resample_groups(scored: ScoredImages, replicates: int, seed: int) -> Iterator[np.ndarray]:
    """Yield weights (up to REPLICATES_PER_CHUNK, images): the number of times that each image's
    group was drawn within its class."""
    generator = np.random.default_rng(seed)
    indices_by_class = [np.flatnonzero(scored.labels == label) for label in (0, 1)]
    classes = [
        (indices, *np.unique(scored.groups[indices], return_inverse=True))
        for indices in indices_by_class
        if len(indices)
    ]
    for start in range(0, replicates, REPLICATES_PER_CHUNK):
        count = min(REPLICATES_PER_CHUNK, replicates - start)
        weights = np.zeros((count, len(scored.labels)))
        for indices, groups, group_numbers in classes:
            n = len(groups)
            drawn = generator.integers(n, size=(count, n)) + n * np.arange(count)[:, None]
            times = np.bincount(drawn.ravel(), minlength=count * n).reshape(count, -1)
            weights[:, indices] = times[:, group_numbers]
        yield weights


def compute_percentile_interval(
    replicates: np.ndarray, confidence: float = CONFIDENCE_LEVEL
) -> tuple[float, float]:
    """Return the percentile interval of bootstrap replicates; NaN if all agree, which does not
    mean certainty."""
    finite = replicates[np.isfinite(replicates)]
    if not len(finite) or np.ptp(finite) < INTERVAL_TOLERANCE:
        return np.nan, np.nan
    tail = (1 - confidence) / 2
    low, high = np.quantile(finite, [tail, 1 - tail])
    return float(low), float(high)


def merge_intervals(first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
    """Return the smallest interval that holds both; NaN counts as absent."""
    return float(np.fmin(first[0], second[0])), float(np.fmax(first[1], second[1]))


def compute_exact_interval(value: float, count: int, confidence: float) -> tuple[float, float]:
    """Return Clopper and Pearson's interval of a share of `count` independent groups; with groups
    of several images, value * count need not be an integer."""
    from scipy.stats import beta

    tail, hits = (1 - confidence) / 2, value * count
    low = beta.ppf(tail, hits, count - hits + 1) if hits > 0 else 0.0
    high = beta.ppf(1 - tail, hits + 1, count - hits) if hits < count else 1.0
    return float(low), float(high)


def compute_auc_score_interval(
    value: float, real: int, generated: int, confidence: float
) -> tuple[float, float]:
    """Return Newcombe's score interval of an ROC AUC (2006, method 5), which is not a point even
    without any error."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    quantile, extra = norm.ppf((1 + confidence) / 2), (real + generated) / 2 - 1

    def compute_gap(area: float, sign: int) -> float:
        factor = 1 + extra * (1 - area) / (2 - area) + extra * area / (1 + area)
        return sign * (value - area) - quantile * np.sqrt(
            area * (1 - area) * factor / (real * generated)
        )

    low = (
        brentq(compute_gap, 0, min(value, 1 - INTERVAL_TOLERANCE), args=(1,))
        if value > 0 and compute_gap(0, 1) > 0
        else 0.0
    )
    high = (
        brentq(compute_gap, max(value, INTERVAL_TOLERANCE), 1, args=(-1,))
        if value < 1 and compute_gap(1, -1) > 0
        else 1.0
    )
    return float(low), float(high)
