"""Metrics agree with scikit-learn, intervals with what is known of them, and edge cases say n/a."""

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from validation.metrics import METRICS, Judged, estimates


def judged(n: int = 300, gap: float = 1.0, groups: np.ndarray | None = None, ties: bool = False) -> Judged:
    draw = np.random.default_rng(n)
    labels = np.arange(n) % 2
    scores = 1 / (1 + np.exp(-(draw.normal(size=n) + gap * (labels - 0.5))))
    return Judged(scores.round(1) if ties else scores, labels, np.arange(n) if groups is None else groups, 0.6)


@pytest.mark.parametrize("ties", [False, True])
def test_values_are_scikit_learns(ties):
    them = judged(ties=ties)
    called = them.probabilities >= 0.6
    expected = {
        "ROC AUC": sklearn_metrics.roc_auc_score(them.labels, them.probabilities),
        "balanced accuracy": sklearn_metrics.balanced_accuracy_score(them.labels, called),
        "accuracy on real": sklearn_metrics.recall_score(them.labels, called, pos_label=0),
        "accuracy on generated": sklearn_metrics.recall_score(them.labels, called),
        "balanced accuracy at 0.5": sklearn_metrics.balanced_accuracy_score(them.labels, them.probabilities >= 0.5),
    }
    found = estimates(them, replicates=10)
    assert {name: found[name].value for name in METRICS} == pytest.approx(expected)


def test_a_replicate_is_the_metric_of_the_resampled_images():
    them = judged(ties=True)
    weights = np.random.default_rng(1).integers(0, 3, (4, 300)).astype(float)
    for row, value in zip(weights, METRICS["ROC AUC"](them, weights), strict=True):
        assert value == pytest.approx(sklearn_metrics.roc_auc_score(them.labels, them.probabilities, sample_weight=row))


def test_the_interval_of_an_accuracy_is_the_binomial_one():
    found = estimates(judged(2000))["accuracy on real"]
    spread = 1.96 * np.sqrt(found.value * (1 - found.value) / 1000)
    assert found.high - found.low == pytest.approx(2 * spread, rel=0.1)


def test_images_of_one_group_count_as_one():
    """Ten identical copies of everything change nothing when they are known to be copies."""
    few = judged(100)
    many = Judged(np.tile(few.probabilities, 10), np.tile(few.labels, 10), np.tile(np.arange(100), 10), 0.6)
    apart = Judged(many.probabilities, many.labels, np.arange(1000), 0.6)
    widths = [(lambda e: e.high - e.low)(estimates(each)["ROC AUC"]) for each in (few, many, apart)]
    assert widths[1] == pytest.approx(widths[0], rel=0.1)
    assert widths[2] < widths[0] / 2


def test_intervals_cover_the_truth_as_often_as_they_say():
    covered = []
    for seed in range(100):
        draw = np.random.default_rng(seed)
        labels = np.arange(160) % 2
        scores = draw.normal(size=160) + 1.5 * labels
        found = estimates(Judged(scores, labels, np.arange(160), 0.75), replicates=300)["ROC AUC"]
        covered.append(found.low <= 0.8556 <= found.high)  # Phi(1.5 / sqrt 2)
    assert 0.88 <= np.mean(covered) <= 1


def test_one_class_alone_gives_no_number_and_a_constant_score_gives_a_half():
    real = Judged(np.linspace(0, 1, 50), np.zeros(50, int), np.arange(50), 0.5)
    found = estimates(real, replicates=20)
    assert str(found["ROC AUC"]) == str(found["accuracy on generated"]) == "n/a"
    assert found["accuracy on real"].value == 0.5
    constant = Judged(np.full(50, 0.3), np.arange(50) % 2, np.arange(50), 0.5)
    assert estimates(constant, replicates=20)["ROC AUC"].value == 0.5


def test_no_error_at_all_is_not_certainty():
    perfect = Judged(np.repeat([0.1, 0.9], 30), np.repeat([0, 1], 30), np.arange(60), 0.5)
    assert all((each.value, each.low, each.high) == (1, 0.9, 1) for each in estimates(perfect, replicates=50).values())
    blind = Judged(np.repeat([0.1, 0.2], 30), np.repeat([0, 1], 30), np.arange(60), 0.5)
    found = estimates(blind, replicates=50)["balanced accuracy"]
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.4, 0.6))
