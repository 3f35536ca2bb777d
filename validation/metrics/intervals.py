"""The bootstrap over whole groups, and intervals combined from others."""

from collections.abc import Iterator

import numpy as np

from validation.metrics.scored_images import ScoredImages

BOOTSTRAP_REPLICATES = 1000
"""They give a standard deviation to 2%; nothing is read from their tails."""

CONFIDENCE_LEVEL = 0.95

MIN_INTERVAL_GROUPS = 20
"""With fewer groups in a class, only shares at a fixed cut have an interval."""

WEIGHTS_PER_CHUNK = 200_000
"""Weights of one chunk of replicates: few enough for a processor's cache."""

Interval = tuple[float, float]


def resample_groups(scored: ScoredImages, replicates: int, seed: int) -> Iterator[np.ndarray]:
    """Yield weights (replicates of a chunk, images): the number of times that each image's group
    was drawn within its class."""
    generator = np.random.default_rng(seed)
    indices_by_class = [np.flatnonzero(scored.labels == label) for label in (0, 1)]
    classes = [
        (indices, *np.unique(scored.groups[indices], return_inverse=True))
        for indices in indices_by_class
        if len(indices)
    ]
    chunk = max(1, WEIGHTS_PER_CHUNK // len(scored.labels))
    for start in range(0, replicates, chunk):
        count = min(chunk, replicates - start)
        weights = np.zeros((count, len(scored.labels)))
        for indices, groups, group_numbers in classes:
            n = len(groups)
            drawn = generator.integers(n, size=(count, n)) + n * np.arange(count)[:, None]
            times = np.bincount(drawn.ravel(), minlength=count * n).reshape(count, -1)
            weights[:, indices] = times[:, group_numbers]
        yield weights


def combine_intervals(
    value: float, below: tuple[float, float], above: tuple[float, float], correlation: float = 0
) -> Interval:
    """Return the interval of a value that depends on two estimates (MOVER: Zou and Donner 2008,
    Statistics in Medicine 27).

    Args:
        below, above: distance by which each estimate alone, at a limit of its own interval, moves
            the value down, and up.
        correlation: of what the two estimates contribute to the value.
    """
    low, high = (
        np.sqrt(max(0, first**2 + second**2 + 2 * correlation * first * second))
        for first, second in (below, above)
    )
    return float(value - low), float(value + high)
