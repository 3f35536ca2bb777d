"""Temperature, threshold and the band of doubt."""

import numpy as np
import pytest

from training import calibration
from training.calibration import calibrate_probabilities

LABELS = np.repeat([0, 1], 200)


def logits(gap: float, scale: float = 1.0) -> np.ndarray:
    return scale * (np.random.default_rng(0).normal(size=400) + gap * (LABELS - 0.5))


def test_logits_that_are_too_loud_are_turned_down_by_their_own_factor():
    # Two unit normals a distance of 2 apart have the log odds 2x: these logits are true as they are times 2.
    true = 2 * logits(2)
    assert abs(calibration.fit_temperature(true, LABELS) - 1) < 0.2
    assert (
        abs(
            calibration.fit_temperature(5 * true, LABELS)
            / calibration.fit_temperature(true, LABELS)
            - 5
        )
        < 0.1
    )


def test_a_perfect_validation_split_does_not_ask_for_infinite_confidence():
    assert calibration.fit_temperature(logits(40), LABELS) > 1


@pytest.mark.parametrize("target", [0.01, 0.05, 0.2])
def test_no_more_photographs_than_wanted_reach_the_threshold(target):
    probabilities = calibration.sigmoid(logits(2))
    found = calibrate_probabilities(probabilities, LABELS, target)
    reached = np.mean(probabilities[LABELS == 0] >= found.threshold)
    assert target - 1 / 200 <= reached <= target


def test_between_the_two_cuts_it_cannot_tell():
    found = calibrate_probabilities(calibration.sigmoid(logits(2)), LABELS, 0.05)
    middle = (found.real_below + found.generated_above) / 2
    assert [found.verdict(p) for p in (0, middle, 1)] == ["real", "can't tell", "generated"]
    assert found.generated_above == found.threshold


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
    found = calibrate_probabilities(calibration.sigmoid(logits(2)), LABELS, 0.05)
    assert found.answered + found.doubtful == 400
    said = np.array([found.verdict(each) for each in calibration.sigmoid(logits(2))])
    assert (
        found.wrong
        == np.sum((said == "generated") & (LABELS == 0)) + np.sum((said == "real") & (LABELS == 1))
        > 0
    )
    assert f"{found.wrong} of {found.answered} answers were wrong" in found.expectation()


@pytest.mark.parametrize("gap", [2, 40])
def test_the_verdict_follows_the_probability_one_way_only(gap):
    found = calibrate_probabilities(calibration.sigmoid(logits(gap)), LABELS, 0.05)
    points = sorted(
        [*np.linspace(0, 1, 101), found.threshold, found.real_below, found.generated_above]
    )
    said = [found.verdict(point) for point in points]
    order = ["real", "can't tell", "generated"]
    assert [order.index(each) for each in said] == sorted(order.index(each) for each in said)
    assert set(said) == set(order)
