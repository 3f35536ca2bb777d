"""Intervals of metrics read from the scores follow the groups and stay wide without errors."""

import numpy as np
import pytest

from validation.metrics.estimates import estimate_metrics
from validation.metrics.score_intervals import add_mistaken_images
from validation.metrics.scored_images import ScoredImages

SCORE_METRICS = ("ROC AUC", "average precision", "EER", "Brier score", "log loss")


def separate(n: int, mistakes: int = 0) -> ScoredImages:
    """Score n images of each class without error but for some, each its own group."""
    scores = np.repeat([0.05, 0.95], n)
    scores[:mistakes] = 0.97
    return ScoredImages(scores, np.repeat([0, 1], n), np.arange(2 * n), 0.5)


def test_an_invented_image_weighs_less_the_more_groups_are_mistaken():
    weights = [add_mistaken_images(separate(30, mistakes))[1][-2] for mistakes in (0, 1, 5, 20)]
    assert weights[0] == 0.5 and np.all(np.diff(weights) < 0) and weights[-1] < 0.1


def test_an_invented_image_weighs_as_much_as_a_typical_group():
    one = separate(60)
    grouped = ScoredImages(one.probabilities, one.labels, np.arange(120) // 3, 0.5)
    assert add_mistaken_images(grouped)[1][-2:] == pytest.approx([1.5, 1.5])


@pytest.mark.parametrize("name", SCORE_METRICS)
def test_more_images_without_error_narrow_the_interval(name):
    widths = [
        estimate.high - estimate.low
        for estimate in (estimate_metrics(separate(n), [name])[name] for n in (20, 80, 320))
    ]
    assert widths[0] > 2 * widths[1] > 4 * widths[2] > 0


@pytest.mark.parametrize("name", SCORE_METRICS)
def test_an_interval_never_leaves_what_can_be(name):
    random = np.random.default_rng(0)
    labels, groups = np.repeat([0, 1], 30), np.arange(60)
    for scores in (random.random(60), 0.99 * labels, 0.9 - 0.8 * labels):
        estimate = estimate_metrics(ScoredImages(scores, labels, groups, 0.5), [name])[name]
        highest = 17 if name == "log loss" else 1
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= highest
        assert estimate.low < estimate.high


def test_what_never_changes_has_no_interval_and_says_why():
    constant = ScoredImages(np.full(60, 0.5), np.arange(60) % 2, np.arange(60), 0.5)
    estimate = estimate_metrics(constant, ["Brier score"])["Brier score"]
    assert str(estimate) == "0.250 (no interval: all resampled images give the same value)"
