"""Intervals of metrics that TPR, FPR and the mix of classes determine, from the intervals of both
rates."""

import numpy as np

from validation.metrics.intervals import Interval, combine_intervals
from validation.metrics.metrics import Metric
from validation.metrics.scored_images import ScoredImages, WeightedImages

FOUR_OUTCOMES = ScoredImages(
    np.array([1.0, 1.0, 0.0, 0.0]), np.array([1, 0, 1, 0]), np.arange(4), 0.5
)
"""A true positive, a false positive, a false negative and a true negative."""


def compute_rate_interval(
    row: Metric, rates: tuple[float, float], limits: tuple[Interval, Interval], generated: float
) -> Interval:
    """Return the interval of a metric that rises with TPR and falls with FPR.

    It never leaves what both rates at their worse and at their better limits allow.

    Args:
        rates: TPR and FPR.
        limits: their intervals.
        generated: share of generated images, which is taken as given.
    """
    (tpr, fpr), (tpr_limits, fpr_limits) = rates, limits
    value, *moved = row.compute(
        _weigh_outcomes(
            [
                (tpr, fpr),
                (tpr_limits[0], fpr),
                (tpr, fpr_limits[1]),
                (tpr_limits[1], fpr),
                (tpr, fpr_limits[0]),
                (tpr_limits[0], fpr_limits[1]),
                (tpr_limits[1], fpr_limits[0]),
            ],
            generated,
        )
    )
    distances = np.abs(np.array(moved[:4]) - value)
    low, high = combine_intervals(value, tuple(distances[:2]), tuple(distances[2:]))
    return max(low, float(moved[4])), min(high, float(moved[5]))


def _weigh_outcomes(rates: list[tuple[float, float]], generated: float) -> WeightedImages:
    tpr, fpr = np.array(rates).T
    weights = [
        generated * tpr,
        (1 - generated) * fpr,
        generated * (1 - tpr),
        (1 - generated) * (1 - fpr),
    ]
    return WeightedImages(FOUR_OUTCOMES, np.stack(weights, axis=1))
