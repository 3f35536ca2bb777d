"""Metrics that TPR and FPR determine never contradict the intervals of these two."""

import numpy as np
import pytest

from validation.metrics.estimates import estimate_metrics
from validation.metrics.metrics import METRICS
from validation.metrics.scored_images import ScoredImages

RATE_METRICS = ("balanced accuracy", "accuracy", "precision", "F1", "MCC")


def score(wrong: tuple[int, int], groups: np.ndarray) -> ScoredImages:
    """Score 60 photographs, then 60 generated images; so many of each are wrong."""
    labels = np.repeat([0, 1], 60)
    scores = np.where(labels, 0.9, 0.1)
    for label, count in enumerate(wrong):
        scores[60 * label : 60 * label + count] = 0.1 if label else 0.9
    return ScoredImages(scores, labels, groups, 0.5)


SINGLES, THREES = np.arange(120), np.arange(120) // 3
UNLIKE = np.r_[np.arange(60) // 3, 20 + np.arange(60)]


@pytest.mark.parametrize("wrong", [(0, 0), (1, 0), (0, 5), (20, 30), (60, 0), (60, 60)])
@pytest.mark.parametrize("groups", [SINGLES, THREES, UNLIKE], ids=["singles", "threes", "unlike"])
def test_balanced_accuracy_lies_within_what_the_limits_of_both_rates_allow(wrong, groups):
    estimates = estimate_metrics(score(wrong, groups), ("TPR", "FPR", *RATE_METRICS))
    tpr, fpr, balanced = (estimates[name] for name in ("TPR", "FPR", "balanced accuracy"))
    worst, best = (tpr.low + 1 - fpr.high) / 2, (tpr.high + 1 - fpr.low) / 2
    assert worst - 1e-9 <= balanced.low <= balanced.value <= balanced.high <= best + 1e-9
    # A rate that may be this far off moves their mean by half of that, whatever the other does.
    assert balanced.high - balanced.low >= max(tpr.high - tpr.low, fpr.high - fpr.low) / 2 - 1e-9


def test_a_wide_false_alarm_rate_widens_everything_that_depends_on_it():
    """Six groups of photographs and no error allow an FPR of .46, so the mean may be far off."""
    groups = np.r_[np.arange(60) // 3, 20 + np.arange(60) // 3]
    few, many = (
        estimate_metrics(score((1, 0), part), ("FPR", *RATE_METRICS)) for part in (groups, SINGLES)
    )
    for name in ("FPR", *RATE_METRICS):
        assert few[name].high - few[name].low > many[name].high - many[name].low, name


def test_balanced_accuracy_has_newcombes_interval():
    """Newcombe 1998, Statistics in Medicine 17, method 10, with Clopper and Pearson's limits."""
    estimates = estimate_metrics(score((6, 3), SINGLES), ("TPR", "FPR", "balanced accuracy"))
    tpr, fpr, balanced = estimates.values()
    below = np.hypot(tpr.value - tpr.low, fpr.high - fpr.value) / 2
    above = np.hypot(tpr.high - tpr.value, fpr.value - fpr.low) / 2
    assert (balanced.low, balanced.high) == pytest.approx(
        (balanced.value - below, balanced.value + above)
    )


def test_a_share_has_an_interval_for_few_groups_and_the_rest_says_why_it_has_none():
    groups = np.r_[np.arange(60) // 4, 15 + np.arange(60)]
    estimates = estimate_metrics(score((3, 3), groups), replicates=50)
    known = {name for name, estimate in estimates.items() if estimate.known}
    answers = {name for name, metric in METRICS.items() if metric.answer}
    assert known == {"TPR", "FPR", "accuracy", *answers} and len(answers) == 6
    reasons = {estimates[name].reason for name in ("ROC AUC", "MCC", "Brier score", "EER")}
    assert reasons == {"15 groups of photographs, 20 needed"}
    assert str(estimates["MCC"]).endswith("(no interval: 15 groups of photographs, 20 needed)")
