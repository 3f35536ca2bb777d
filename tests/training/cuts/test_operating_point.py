"""The two cuts make three answers, in any order of the cuts."""

import numpy as np
import pytest

from runtime import console
from training.calibration import sigmoid
from training.cuts.choose_cuts import CutTargets, calibrate_on_validation, choose_threshold
from training.cuts.cut import Cut
from training.cuts.operating_point import OperatingPoint

LABELS = np.repeat([0, 1], 200)
GROUPS = np.arange(400).astype(str)
TARGETS = CutTargets(false_alarms=0.05, misses=0.05)


def draw_logits(gap: float) -> np.ndarray:
    """Return logits of 400 images at two qualities."""
    random = np.random.default_rng(0)
    images = random.normal(size=(400, 1)) + gap * (LABELS[:, None] - 0.5)
    return images + random.normal(size=(400, 2))


def make_point(false_alarm: float | None, miss: float | None) -> OperatingPoint:
    return OperatingPoint(
        false_alarm_cut=Cut(target=0.05, limit=false_alarm),
        miss_cut=Cut(target=0.05, limit=miss),
    )


@pytest.mark.parametrize("false_alarm, miss", [(0.7, 0.3), (0.3, 0.7)])
def test_the_larger_cut_means_generated_and_the_smaller_real(false_alarm, miss):
    point = make_point(false_alarm, miss)
    assert point.limits == (0.3, 0.7)
    assert [point.decide(p, p, p) for p in (0.1, 0.3, 0.5, 0.7)] == [
        "real",
        "can't tell",
        "can't tell",
        "generated",
    ]


def test_qualities_on_both_sides_of_a_cut_get_no_answer():
    point = make_point(0.7, 0.3)
    assert point.decide(0.8, 0.6, 0.9) == "can't tell"
    assert point.decide(0.2, 0.1, 0.4) == "can't tell"
    assert point.decide(0.8, 0.75, 0.9) == "generated"


def test_a_missing_cut_means_that_its_answer_is_never_given():
    assert make_point(None, 0.3).decide(1.0, 1.0, 1.0) == "can't tell"
    assert make_point(None, 0.3).decide(0.1, 0.1, 0.1) == "real"
    assert make_point(0.7, None).decide(0.0, 0.0, 0.0) == "can't tell"
    assert (
        make_point(None, 0.3).describe()
        == "never generated, real under 0.300, can't tell otherwise."
    )


@pytest.mark.parametrize("gap", [1, 2])
def test_as_many_of_a_class_as_promised_get_its_wrong_answer_where_qualities_differ(gap):
    logits = draw_logits(gap)
    point = calibrate_on_validation(logits, LABELS, GROUPS, TARGETS).point
    qualities = sigmoid(logits)
    rows = zip(
        sigmoid(logits.mean(axis=1)), qualities.min(axis=1), qualities.max(axis=1), strict=True
    )
    answers = np.array([point.decide(*row) for row in rows])
    n_allowed = np.floor(0.05 * 201 - 1)  # of 200 groups, with one more for the next image
    assert np.sum(answers[LABELS == 0] == "generated") == n_allowed
    assert np.sum(answers[LABELS == 1] == "real") == n_allowed
    assert point.real_below <= point.generated_above


def test_classes_that_separate_leave_no_wrong_answer():
    logits = draw_logits(40)
    point = calibrate_on_validation(logits, LABELS, GROUPS, TARGETS).point
    assert point.real_below <= point.generated_above
    assert (sigmoid(logits[LABELS == 0]) < point.generated_above).all()
    assert (sigmoid(logits[LABELS == 1]) >= point.real_below).all()


def test_a_point_is_chosen_among_the_cuts_that_exist():
    calibration = calibrate_on_validation(draw_logits(2), LABELS, GROUPS, TARGETS)
    strict = calibration.select_point(false_alarms=0.01)
    assert strict.generated_above > calibration.point.generated_above
    assert strict.real_below == calibration.point.real_below
    with pytest.raises(console.PlainError, match=r"no cut at 3%. Choose one of 5%, 1%, 0.5%"):
        calibration.select_point(false_alarms=0.03)
    few = calibrate_on_validation(
        draw_logits(2)[150:250], LABELS[150:250], GROUPS[150:250], TARGETS
    )
    with pytest.raises(console.PlainError, match="99 groups of photographs needed, 50 found"):
        few.select_point(false_alarms=0.01)


@pytest.mark.parametrize("target", [0.01, 0.05, 0.2])
def test_no_more_photographs_than_allowed_reach_the_threshold(target):
    scores = sigmoid(draw_logits(2).mean(axis=1))
    reached = np.mean(scores[LABELS == 0] >= choose_threshold(scores, LABELS, target))
    assert target - 1 / 200 <= reached <= target


def test_the_threshold_lies_midway_where_the_classes_separate():
    scores = np.where(LABELS == 1, 0.9, 0.2)
    assert choose_threshold(scores, LABELS, 0.05) == pytest.approx(0.55)


def test_tied_scores_have_a_threshold_above_them():
    assert 0.3 < choose_threshold(np.full(400, 0.3), LABELS, 0.05) <= 1
    assert choose_threshold(np.ones(400), LABELS, 0.05) == 1
