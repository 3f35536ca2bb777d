"""Differences of two detectors are described; the tests agree with resampling and with scipy."""

import numpy as np
import pytest

from validation.metrics.comparison import (
    compare_detectors,
    compute_delong_interval,
    compute_delong_p,
    compute_mcnemar_p,
)
from validation.metrics.estimates import estimate_metrics
from validation.metrics.scored_images import ScoredImages


def pair(gaps: tuple[float, float], n: int = 400, shared: float = 0.8) -> list[ScoredImages]:
    """Return two detectors with correlated scores; a larger gap is better."""
    generator = np.random.default_rng(0)
    labels = np.arange(n) % 2
    common, own = generator.normal(size=n), generator.normal(size=(2, n))
    logits = [
        shared * common + (1 - shared) * own_part + gap * (labels - 0.5)
        for gap, own_part in zip(gaps, own, strict=True)
    ]
    return [ScoredImages(1 / (1 + np.exp(-row)), labels, np.arange(n), 0.5) for row in logits]


def describe(one: ScoredImages, other: ScoredImages) -> dict[str, str]:
    return {
        difference.metric: difference.sentence
        for difference in compare_detectors(("new", "old"), one, other, replicates=400).differences
    }


def test_a_better_detector_is_called_better_in_points_and_its_interval_excludes_nothing():
    better, worse = pair((2.5, 1.0))
    sentence = describe(better, worse)["ROC AUC"]
    assert (
        sentence.startswith("ROC AUC: new is better than old by ")
        and " points, 95% interval " in sentence
    )
    assert "chance" not in sentence
    differences = {
        difference.metric: difference.difference
        for difference in compare_detectors(
            ("new", "old"), better, worse, replicates=400
        ).differences
    }
    values = [
        estimate_metrics(scored, ["ROC AUC"], 1)["ROC AUC"].value for scored in (better, worse)
    ]
    assert differences["ROC AUC"].value == pytest.approx(values[0] - values[1])
    assert (
        f"{100 * differences['ROC AUC'].low:.1f} to {100 * differences['ROC AUC'].high:.1f}"
        in sentence
    )


def test_turned_round_better_becomes_worse_by_the_same():
    better, worse = pair((2.5, 1.0))
    forward, backward = describe(better, worse), describe(worse, better)
    assert backward["ROC AUC"] == forward["ROC AUC"].replace(
        "new is better than old", "new is worse than old"
    )
    assert "is better" in forward["FPR"] or "is better" in forward["TPR"]
    assert "is better" in forward["log loss"]  # lower


def test_a_difference_that_may_be_chance_is_said_to_be():
    assert describe(*pair((1.5, 1.45), n=100))["ROC AUC"].endswith("this may be chance.")


def test_a_detector_does_not_differ_from_itself():
    one, _ = pair((2, 1))
    comparison = compare_detectors(("a", "b"), one, one, replicates=50)
    assert all(
        difference.sentence.endswith("a and b do not differ at all.")
        for difference in comparison.differences
    )
    assert (comparison.only_first_correct, comparison.only_second_correct) == (0, 0)
    assert (comparison.mcnemar_p, comparison.delong_p) == (1.0, 1.0)


def test_paired_intervals_are_narrower_than_unpaired_ones():
    one, other = pair((2.0, 1.8), shared=0.9)
    auc_difference = {
        difference.metric: difference.difference
        for difference in compare_detectors(("a", "b"), one, other, replicates=400).differences
    }["ROC AUC"]
    alone = estimate_metrics(one, ["ROC AUC"], 400)["ROC AUC"]
    assert auc_difference.high - auc_difference.low < alone.high - alone.low


def test_images_of_one_group_allow_neither_test():
    one, other = pair((2, 1))
    grouped = [
        ScoredImages(scored.probabilities, scored.labels, np.arange(400) // 4, 0.5)
        for scored in (one, other)
    ]
    comparison = compare_detectors(("a", "b"), *grouped, replicates=50)
    assert (comparison.mcnemar_p, comparison.delong_p) == (None, None)


def test_one_class_alone_is_compared_by_its_rate():
    one, other = (scored.select(scored.labels == 0) for scored in pair((2, 1)))
    comparison = compare_detectors(("a", "b"), one, other, replicates=50)
    assert ([difference.metric for difference in comparison.differences], comparison.delong_p) == (
        ["photographs called generated", "FPR"],
        None,
    )
    assert comparison.mcnemar_p is not None


def test_mcnemar_is_the_exact_binomial_test():
    assert compute_mcnemar_p(0, 5) == pytest.approx(2 * 0.5**5)
    assert compute_mcnemar_p(3, 9) == pytest.approx(2 * sum([1, 12, 66, 220]) / 2**12)
    assert compute_mcnemar_p(0, 0) == 1


def test_delong_agrees_with_the_bootstrap():
    one, other = pair((1.2, 1.0))
    delong, bootstrap = compute_delong_interval(one), estimate_metrics(one, ["ROC AUC"])["ROC AUC"]
    assert delong.value == pytest.approx(bootstrap.value)
    assert (delong.low, delong.high) == pytest.approx((bootstrap.low, bootstrap.high), abs=0.01)
    auc_difference = {
        difference.metric: difference.difference
        for difference in compare_detectors(("a", "b"), one, other).differences
    }["ROC AUC"]
    assert (compute_delong_p(one, other) < 0.05) == (auc_difference.low > 0)


def test_delong_by_hand_on_four_images():
    """Placements are 1, .5 in both classes: each variance is .125, halved by two images."""
    small = ScoredImages(np.array([0.9, 0.4, 0.5, 0.1]), np.array([1, 1, 0, 0]), np.arange(4), 0.5)
    estimate = compute_delong_interval(small)
    reach = 1.959964 * np.sqrt(0.125 / 2 + 0.125 / 2)
    assert (estimate.value, estimate.low) == pytest.approx((0.75, 0.75 - reach), abs=1e-6)


def test_what_the_images_cannot_tell_is_not_claimed():
    """With three images a share differs by an uncertain amount, and the AUC has no interval."""
    labels, groups = np.array([0, 0, 1]), np.arange(3)
    one, other = (
        ScoredImages(np.array(scores), labels, groups, 0.5)
        for scores in ([0.1, 0.2, 0.9], [0.1, 0.9, 0.2])
    )
    comparison = compare_detectors(("a", "b"), one, other, replicates=50)
    sentences = {difference.metric: difference.sentence for difference in comparison.differences}
    assert sentences["TPR"].startswith("TPR: a is better than b by 100.0 points, 95% interval -")
    assert sentences["TPR"].endswith("; this may be chance.")
    assert sentences["ROC AUC"] == (
        "ROC AUC: a is better than b by 50.0 points on these images (no interval: 1 group of "
        "generated images, 20 needed)."
    )
    assert comparison.delong_p is None


def test_delong_says_nothing_of_a_perfect_area():
    perfect = ScoredImages(np.repeat([0.1, 0.9], 30), np.repeat([0, 1], 30), np.arange(60), 0.5)
    assert str(compute_delong_interval(perfect)) == "1.000 (no interval)"
    assert (
        compute_delong_p(
            perfect, ScoredImages(np.full(60, 0.5), perfect.labels, perfect.groups, 0.5)
        )
        is None
    )
