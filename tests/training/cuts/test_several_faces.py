"""A picture of several faces is a false alarm no more often than one face is."""

import dataclasses

import numpy as np
import pytest

from training.calibration import sigmoid
from training.cuts.choose_cuts import CutScores, CutTargets, calibrate
from training.cuts.operating_point import Calibration
from training.cuts.several_faces import correct_for_faces, state_for_faces
from training.cuts.statement import make_statement

TARGETS = CutTargets(false_alarms=0.05, misses=0.05)


def make_calibration(n_groups: int = 400, seed: int = 0) -> Calibration:
    random = np.random.default_rng(seed)
    logits = np.concatenate([random.normal(-1, 1, n_groups), random.normal(3, 1, n_groups)])
    labels = np.repeat([0, 1], n_groups)
    scores = CutScores(logits=logits[:, None], labels=labels, groups=np.arange(2 * n_groups))
    return calibrate(scores, 0.5, TARGETS, "folds")


def state(calibration: Calibration, n_faces: int):
    corrected = correct_for_faces(calibration, calibration.point, n_faces)
    statement = make_statement("toy", calibration, corrected, ())
    return state_for_faces(statement, calibration, calibration.point, n_faces)


@pytest.mark.parametrize(
    ("n_faces", "target"), [(1, 0.05), (2, 0.01), (5, 0.01), (6, 0.005), (10, 0.005)]
)
def test_the_cut_is_the_loosest_that_keeps_the_promise(n_faces, target):
    calibration = make_calibration()
    point = correct_for_faces(calibration, calibration.point, n_faces)
    assert point.false_alarm_cut in calibration.false_alarm_cuts
    assert point.false_alarm_cut.target == target
    assert point.miss_cut == calibration.point.miss_cut


def test_more_faces_than_the_cuts_reach_are_never_called_generated():
    calibration = make_calibration()
    point = correct_for_faces(calibration, calibration.point, 11)
    assert point.generated_above is None
    assert point.decide(1, 1, 1) == "can't tell" and point.decide(0, 0, 0) == "real"
    statement = state(calibration, 11)
    assert statement.generated_above is None
    assert statement.promise[0] == (
        "It never answers generated for a picture of over 10 faces, whatever they are: one of so "
        "many photographs may cross a cut by chance, and for 5% of such pictures the strictest cut "
        "that is stored, 0.5% of faces, is not strict enough."
    )


def test_too_few_groups_are_told():
    calibration = make_calibration(n_groups=60)
    point = correct_for_faces(calibration, calibration.point, 2)
    assert calibration.point.generated_above and point.generated_above is None
    sentence = state(calibration, 2).promise[0]
    assert sentence.startswith("It never answers generated for a picture of 2 to 5 faces")
    assert "99 groups of photographs needed, 60 found" in sentence


def test_another_target_is_kept_as_well():
    calibration = make_calibration()
    point = calibration.select_point(false_alarms=0.01)
    assert correct_for_faces(calibration, point, 2).false_alarm_cut.target == 0.005
    assert correct_for_faces(calibration, point, 3).generated_above is None


@pytest.mark.parametrize("shared", [0.0, 0.9], ids=["independent", "alike"])
@pytest.mark.parametrize("n_faces", [2, 5, 10])
def test_pictures_of_real_faces_are_called_generated_no_more_often_than_promised(n_faces, shared):
    """Over many data sets; faces of one picture may be alike, as its camera and light are."""
    random, alarms, uncorrected = np.random.default_rng(1), [], []
    for seed in range(60):
        calibration = make_calibration(seed=seed)
        point = correct_for_faces(calibration, calibration.point, n_faces)
        common = np.sqrt(shared) * random.normal(size=(2000, 1))
        own = np.sqrt(1 - shared) * random.normal(size=(2000, n_faces))
        highest = sigmoid(-1 + common + own).max(axis=1)
        alarms.append(np.mean(highest >= point.generated_above))
        uncorrected.append(np.mean(highest >= calibration.point.false_alarm_cut.limit))
    assert np.mean(alarms) <= 0.05
    assert np.mean(uncorrected) > 0.06


def test_a_statement_on_pictures_promises_what_the_union_of_their_faces_holds():
    calibration = make_calibration()
    statement = state(calibration, 3)
    assert statement.cuts.startswith("In a picture of 2 to 5 faces")
    assert "Of pictures of 3 faces" in statement.promise[0] and "at most 3%" in statement.promise[0]
    assert "Of generated images" in statement.promise[1]
    assert all(sentence.startswith("Face by face: ") for sentence in statement.strangers)


def test_nothing_is_promised_of_cuts_set_on_the_images_that_chose_the_detector():
    calibration = dataclasses.replace(make_calibration(), origin="validation images")
    assert "is not known" in state(calibration, 3).promise[0]
