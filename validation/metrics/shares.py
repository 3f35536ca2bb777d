"""Intervals of shares of images that come in groups: exact, with an effective number of images."""

import numpy as np

PRIOR_GROUPS = 1
"""With so many groups on the rarer side of a share, half of the variance is the observed one and
half that of groups whose images all agree; with more, the observed one counts for more."""


def count_effective_groups(groups: np.ndarray) -> float:
    """Return Kish's effective number of groups: fewer than there are if their sizes differ."""
    sizes = np.unique(groups, return_counts=True)[1]
    return float(sizes.sum() ** 2 / np.sum(sizes**2))


def compute_share_interval(
    is_counted: np.ndarray, groups: np.ndarray, confidence: float
) -> tuple[float, float]:
    """Return the interval of the share of images that are counted; it exists for any number of
    groups."""
    return compute_exact_interval(
        float(is_counted.mean()),
        _count_effective_images(is_counted, groups, confidence),
        confidence,
    )


def compute_exact_interval(value: float, count: float, confidence: float) -> tuple[float, float]:
    """Return Clopper and Pearson's interval of a share of `count` independent images, which need
    not be an integer, as value * count need not."""
    from scipy.special import betaincinv

    tail, hits = (1 - confidence) / 2, value * count
    low = betaincinv(hits, count - hits + 1, tail) if value > 0 else 0.0
    high = betaincinv(hits + 1, count - hits, 1 - tail) if value < 1 else 1.0
    return float(low), float(high)


def _count_effective_images(is_counted: np.ndarray, groups: np.ndarray, confidence: float) -> float:
    """Return the number of independent images whose share varies as much as this one.

    It follows Korn and Graubard (1998, Survey Methodology 24) with the variance between groups and
    Student's t. Few groups on the rarer side cannot show how much images of a group agree, so the
    variance then leans on the largest one, where each group counts as one image.
    """
    from scipy.special import ndtri, stdtrit

    _, numbers, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(sizes) == len(is_counted):
        return float(len(is_counted))
    share, effective_groups = is_counted.mean(), count_effective_groups(groups)
    if len(sizes) == 1 or share in (0, 1):
        return effective_groups
    hits = np.bincount(numbers, is_counted)
    n_informative = min(np.count_nonzero(hits), np.count_nonzero(hits < sizes))
    trust = n_informative / (n_informative + PRIOR_GROUPS)
    tail = (1 + confidence) / 2
    inflation = (stdtrit(max(effective_groups - 1, 1), tail) / ndtri(tail)) ** 2
    observed = np.sum((hits - share * sizes) ** 2) * len(sizes) / (len(sizes) - 1)
    independent = share * (1 - share)
    variance = (
        trust * inflation * observed / len(is_counted) ** 2
        + (1 - trust) * independent / effective_groups
    )
    return float(min(len(is_counted), independent / variance))
