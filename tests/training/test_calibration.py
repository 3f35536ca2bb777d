"""Temperature, the mean of several qualities, and what makes a detector useless."""

import numpy as np
import pytest

from training import calibration

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


def test_sigmoid_and_log_loss_bear_any_logit():
    assert calibration.sigmoid(np.array([-1e4, 0, 1e4])).tolist() == [0, 0.5, 1]
    assert calibration.compute_cross_entropy(np.array([1e4, -1e4]), np.array([1, 0])) == 0
    assert calibration.compute_cross_entropy(np.array([0.0]), np.array([1])) == pytest.approx(
        np.log(2)
    )


def test_the_mean_logit_of_all_qualities_decides_and_their_range_is_kept():
    combined, low, high = calibration.combine_qualities(np.array([[0.5, 0.8], [0.2, 0.2]]))
    assert combined == pytest.approx([2 / 3, 0.2])
    assert (low.tolist(), high.tolist()) == ([0.5, 0.2], [0.8, 0.2])


def test_a_probability_for_equal_classes_is_turned_to_a_prevalence():
    assert calibration.turn_to_prevalence(0.97, 0.01) == pytest.approx(
        0.97 * 0.01 / (0.97 * 0.01 + 0.03 * 0.99)
    )
    assert calibration.turn_to_prevalence(0.4, 0.5) == pytest.approx(0.4)
