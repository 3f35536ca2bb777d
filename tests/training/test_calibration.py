"""Temperature, threshold and the abstention band."""

import numpy as np
import pytest

from training import calibration
from training.calibration import calibrate_probabilities

LABELS = np.repeat([0, 1], 200)


def logits(gap: float, scale: float = 1.0) -> np.ndarray:
    return scale * (np.random.default_rng(0).normal(size=400) + gap * (LABELS - 0.5))


def test_overconfident_logits_are_divided_by_their_own_factor():
    # Two unit normals at a distance of 2 have log odds of 2x, so twice these logits are calibrated.
    calibrated = 2 * logits(2)
    temperature = calibration.fit_temperature(calibrated, LABELS)
    assert abs(temperature - 1) < 0.2
    assert abs(calibration.fit_temperature(5 * calibrated, LABELS) / temperature - 5) < 0.1


def test_a_perfect_validation_split_does_not_ask_for_infinite_confidence():
    assert calibration.fit_temperature(logits(40), LABELS) > 1


@pytest.mark.parametrize("target", [0.01, 0.05, 0.2])
def test_no_more_photographs_than_allowed_reach_the_threshold(target):
    probabilities = calibration.sigmoid(logits(2))
    result = calibrate_probabilities(probabilities, LABELS, target)
    reached = np.mean(probabilities[LABELS == 0] >= result.threshold)
    assert target - 1 / 200 <= reached <= target


def test_between_the_two_cuts_it_cannot_tell():
    result = calibrate_probabilities(calibration.sigmoid(logits(2)), LABELS, 0.05)
    middle = (result.real_below + result.generated_above) / 2
    assert [result.decide(p) for p in (0, middle, 1)] == ["real", "can't tell", "generated"]
    assert result.generated_above == result.threshold


def test_tied_and_constant_scores_have_a_threshold_that_keeps_its_promise():
    constant = calibrate_probabilities(np.full(400, 0.3), LABELS, 0.05)
    assert 0.3 < constant.threshold <= 1
    ones = calibrate_probabilities(np.ones(400), LABELS, 0.05)
    assert ones.threshold == 1


def test_sigmoid_and_log_loss_bear_any_logit():
    assert calibration.sigmoid(np.array([-1e4, 0, 1e4])).tolist() == [0, 0.5, 1]
    assert calibration.compute_cross_entropy(np.array([1e4, -1e4]), np.array([1, 0])) == 0
    assert calibration.compute_cross_entropy(np.array([0.0]), np.array([1])) == pytest.approx(
        np.log(2)
    )


def test_the_card_says_which_error_to_expect_and_never_none():
    result = calibrate_probabilities(calibration.sigmoid(logits(2)), LABELS, 0.05)
    assert result.answered + result.abstained == 400
    verdicts = np.array([result.decide(p) for p in calibration.sigmoid(logits(2))])
    false_alarms = np.sum((verdicts == "generated") & (LABELS == 0))
    misses = np.sum((verdicts == "real") & (LABELS == 1))
    assert result.wrong == false_alarms + misses > 0
    expected = f"{result.wrong} of {result.answered} answers were wrong"
    assert expected in result.describe_expected_error()


@pytest.mark.parametrize("gap", [2, 40])
def test_the_verdict_follows_the_probability_one_way_only(gap):
    result = calibrate_probabilities(calibration.sigmoid(logits(gap)), LABELS, 0.05)
    points = sorted(
        [*np.linspace(0, 1, 101), result.threshold, result.real_below, result.generated_above]
    )
    verdicts = [result.decide(point) for point in points]
    order = ["real", "can't tell", "generated"]
    assert [order.index(v) for v in verdicts] == sorted(order.index(v) for v in verdicts)
    assert set(verdicts) == set(order)
