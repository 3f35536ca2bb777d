"""The metrics, one function each, for all bootstrap replicates at once.

scikit-learn computes one sample at a time; these take (replicates, images) weights
(2,000 replicates of 10,000 images in seconds).
Tests hold them to scikit-learn's values, ties and weights included."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from validation.metrics.reliability import RELIABILITY_BINS, assign_reliability_bins
from validation.metrics.scored_images import WeightedImages, divide_or_nan

LOG_LOSS_CLIP = 1e-7
"""Probabilities are taken as this far from 0 and 1 in the log loss, or a single sure mistake would
make it infinite."""


def compute_roc_auc(drawn: WeightedImages) -> np.ndarray:
    """Area under the ROC curve; tied scores count half."""
    tp, fp = drawn.cumulative_counts
    area = (np.diff(fp, axis=1) * (tp[:, 1:] + tp[:, :-1])).sum(axis=1) / 2
    return divide_or_nan(area, tp[:, -1] * fp[:, -1])


def compute_average_precision(drawn: WeightedImages) -> np.ndarray:
    """Mean precision over the recall steps, without interpolation; its floor is the share of
    generated images."""
    tp, fp = drawn.cumulative_counts
    precision = np.nan_to_num(divide_or_nan(tp[:, 1:], tp[:, 1:] + fp[:, 1:]))
    return divide_or_nan((np.diff(tp, axis=1) * precision).sum(axis=1), tp[:, -1])


def compute_equal_error_rate(drawn: WeightedImages) -> np.ndarray:
    """The rate at which the ROC curve's false positives equal its false negatives, linear between
    its two nearest points."""
    tpr, fpr = drawn.rates
    gap = fpr - (1 - tpr)  # never falls, from -1 to 1
    after = np.argmax(gap >= 0, axis=1)
    rows, before = np.arange(len(gap)), np.maximum(after - 1, 0)
    share = divide_or_nan(-gap[rows, before], gap[rows, after] - gap[rows, before])
    return fpr[rows, before] + share * (fpr[rows, after] - fpr[rows, before])


def make_tpr_at_fpr(limit: float) -> Callable[[WeightedImages], np.ndarray]:
    """The highest true-positive rate of the ROC curve's points with a false-positive rate of at
    most `limit`."""

    def metric(drawn: WeightedImages) -> np.ndarray:
        tpr, fpr = drawn.rates
        last = np.maximum((fpr <= limit + 1e-12).sum(axis=1) - 1, 0)
        return tpr[np.arange(len(tpr)), last]

    return metric


def compute_tpr(drawn: WeightedImages) -> np.ndarray:
    """Recall: the share of generated images that are called generated."""
    tp, _, fn, _ = drawn.confusion
    return divide_or_nan(tp, tp + fn)


def compute_fpr(drawn: WeightedImages) -> np.ndarray:
    """The share of photographs that are called generated."""
    _, fp, _, tn = drawn.confusion
    return divide_or_nan(fp, fp + tn)


def compute_accuracy(drawn: WeightedImages) -> np.ndarray:
    tp, _, _, tn = drawn.confusion
    return divide_or_nan(tp + tn, drawn.total_weight)


def compute_balanced_accuracy(drawn: WeightedImages) -> np.ndarray:
    """Mean of the two classes' accuracies: chance level is .5, whatever the classes' sizes."""
    return (compute_tpr(drawn) + 1 - compute_fpr(drawn)) / 2


def compute_balanced_accuracy_at_half(drawn: WeightedImages) -> np.ndarray:
    """Balanced accuracy if the probability alone decided, at .5."""
    return compute_balanced_accuracy(
        WeightedImages(replace(drawn.scored, threshold=0.5), drawn.weights)
    )


def compute_precision(drawn: WeightedImages) -> np.ndarray:
    """The share of images called generated that are; at the mix of classes of these images, not of
    the world."""
    tp, fp, _, _ = drawn.confusion
    return divide_or_nan(tp, tp + fp)


def compute_f1(drawn: WeightedImages) -> np.ndarray:
    """Harmonic mean of precision and recall."""
    tp, fp, fn, _ = drawn.confusion
    return divide_or_nan(2 * tp, 2 * tp + fp + fn)


def compute_matthews_correlation(drawn: WeightedImages) -> np.ndarray:
    """Matthews correlation coefficient, -1 to 1; 0 where one answer is given to all."""
    tp, fp, fn, tn = drawn.confusion
    product = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return np.divide(tp * tn - fp * fn, product, out=np.zeros(len(tp)), where=product > 0)


def compute_brier_score(drawn: WeightedImages) -> np.ndarray:
    """Mean squared difference of probability and label."""
    return divide_or_nan(
        drawn.weighted_sum((drawn.scored.probabilities - drawn.scored.labels) ** 2),
        drawn.total_weight,
    )


def compute_log_loss(drawn: WeightedImages) -> np.ndarray:
    """Mean negative logarithm, in nats, of the probability that was given to the truth."""
    sure = np.clip(drawn.scored.probabilities.astype(np.float64), LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)
    return divide_or_nan(
        drawn.weighted_sum(-np.log(np.where(drawn.generated, sure, 1 - sure))), drawn.total_weight
    )


def compute_calibration_error(drawn: WeightedImages) -> np.ndarray:
    """Expected calibration error: by how much probability and share of generated images differ in
    the mean of 15 bins.

    It has no bootstrap interval: a bootstrap sample has the noise of its bins twice, so its ECE is
    too large by design.
    """
    member = (
        np.arange(RELIABILITY_BINS) == assign_reliability_bins(drawn.scored.probabilities)[:, None]
    )
    gaps = drawn.weighted_sum(member * (drawn.scored.labels - drawn.scored.probabilities)[:, None])
    return divide_or_nan(np.abs(gaps).sum(axis=1), drawn.total_weight)
