"""Intervals: a bootstrap over whole groups, and what widens it where few groups or few errors make
it too sure."""

from collections.abc import Iterator

import numpy as np

from validation.metrics.scored_images import ScoredImages

BOOTSTRAP_REPLICATES = 2000
CONFIDENCE_LEVEL = 0.95
REPLICATES_PER_CHUNK = 100
INTERVAL_TOLERANCE = 1e-9
"""Replicates that differ by less are the same but for rounding. An area of exactly 0 or 1 solves
the equation of its own interval, as a root that is none; the search begins this far from it."""


def resample_groups(scored: ScoredImages, replicates: int, seed: int) -> Iterator[np.ndarray]:
    """Yields image weights (up to CHUNK replicates, images): how often each image's group was drawn
    within its class."""
    generator = np.random.default_rng(seed)
    parts = [np.flatnonzero(scored.labels == label) for label in (0, 1)]
    numbered = [
        (part, *np.unique(scored.groups[part], return_inverse=True)) for part in parts if len(part)
    ]
    for start in range(0, replicates, REPLICATES_PER_CHUNK):
        count = min(REPLICATES_PER_CHUNK, replicates - start)
        weights = np.zeros((count, len(scored.labels)))
        for images, names, numbers in numbered:
            picks = (
                generator.integers(len(names), size=(count, len(names)))
                + len(names) * np.arange(count)[:, None]
            )
            times = np.bincount(picks.ravel(), minlength=count * len(names)).reshape(count, -1)
            weights[:, images] = times[:, numbers]
        yield weights


def compute_percentile_interval(
    drawn: np.ndarray, confidence: float = CONFIDENCE_LEVEL
) -> tuple[float, float]:
    """The percentile interval of bootstrap replicates; NaN where all agree, which is no
    certainty."""
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn) or np.ptp(drawn) < INTERVAL_TOLERANCE:
        return np.nan, np.nan
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return float(low), float(high)


def merge_intervals(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return float(np.fmin(one[0], other[0])), float(np.fmax(one[1], other[1]))


def compute_exact_interval(value: float, count: int, confidence: float) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share of `count` independent groups; a mean over groups
    of many images may be any."""
    from scipy.stats import beta

    tail, hits = (1 - confidence) / 2, value * count
    low = beta.ppf(tail, hits, count - hits + 1) if hits > 0 else 0.0
    high = beta.ppf(1 - tail, hits + 1, count - hits) if hits < count else 1.0
    return float(low), float(high)


def compute_auc_score_interval(
    value: float, real: int, generated: int, confidence: float
) -> tuple[float, float]:
    """Newcombe's score interval of an ROC AUC (2006, method 5), which knows that no error in a few
    is not certainty."""
    from scipy.optimize import brentq
    from scipy.stats import norm

    reach, extra = norm.ppf((1 + confidence) / 2), (real + generated) / 2 - 1

    def gap(area: float, sign: int) -> float:
        spread = 1 + extra * (1 - area) / (2 - area) + extra * area / (1 + area)
        return sign * (value - area) - reach * np.sqrt(
            area * (1 - area) * spread / (real * generated)
        )

    low = (
        brentq(gap, 0, min(value, 1 - INTERVAL_TOLERANCE), args=(1,))
        if value > 0 and gap(0, 1) > 0
        else 0.0
    )
    high = (
        brentq(gap, max(value, INTERVAL_TOLERANCE), 1, args=(-1,))
        if value < 1 and gap(1, -1) > 0
        else 1.0
    )
    return float(low), float(high)
