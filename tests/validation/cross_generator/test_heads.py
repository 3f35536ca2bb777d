"""Heads of a matrix: ridge regression, a voice for each generator, thresholds of images that taught
nothing, and distance."""

import dataclasses

import numpy as np
import pytest

from data_collection.dataset.manifest import FaceRecord
from runtime import console
from toys.features import FEATURE_COLUMNS, FEATURE_WIDTH
from validation.cross_generator import distance, heads, outcomes
from validation.cross_generator.plan import Experiment, ImageSource, SourceImages
from validation.cross_generator.settings import CrossGeneratorSettings
from validation.cross_generator.task import BaseFeatures, ReprocessedFeatures

REAL, GAN, DIFFUSION = (
    ImageSource("real", "camera"),
    ImageSource("generated", "gan"),
    ImageSource("generated", "diffusion"),
)
SOURCES = (REAL, GAN, DIFFUSION)
EVERYTHING = Experiment("nothing", SOURCES, ((GAN,), (DIFFUSION,)), (REAL,))
SPLITS = ("train", "train", "train", "train", "validation", "hold-out")


@pytest.fixture(scope="module", autouse=True)
def quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outcomes, "BOOTSTRAP_REPLICATES", 100)
        yield


@pytest.fixture(scope="module")
def them() -> SourceImages:
    """120 images of each source, each a group of its own."""
    source = np.repeat([0, 1, 2], 120)
    records = [
        FaceRecord(str(n), SOURCES[each].label, SOURCES[each].name, "", "accepted")
        for n, each in enumerate(source)
    ]
    return SourceImages(
        list(SOURCES),
        records,
        source,
        np.array(SPLITS * 60),
        np.arange(360),
        (source > 0).astype(np.int64),
    )


def seen(them: SourceImages, values: np.ndarray, processed=()) -> BaseFeatures:
    values = values.astype(np.float32)
    return BaseFeatures(
        FEATURE_COLUMNS, values, values[them.rows(them.sources, "train")][:, None], dict(processed)
    )


def traces(them: SourceImages, strength: float = 4.0) -> np.ndarray:
    """Noise, in which each generator leaves a trace of its own."""
    values = np.random.default_rng(0).normal(size=(len(them.records), FEATURE_WIDTH))
    values[them.source == 1, 0] += strength
    values[them.source == 2, 1] += strength
    return values


def test_ridge_regression_is_the_closed_form_with_every_source_weighing_the_same(them):
    few = dataclasses.replace(
        them,
        split=np.where((them.source == 1) & (np.arange(360) % 3 > 0), "quarantine", them.split),
    )
    values = traces(few)
    head = heads.fit_calibrated_head(
        EVERYTHING, few, seen(few, values), CrossGeneratorSettings(head="ridge", strength=0.5)
    )
    train = few.rows(SOURCES, "train")
    share = {0: 0.5, 1: 0.25, 2: 0.25}
    counts = np.bincount(few.source[train])
    weight = np.array([share[place] / counts[place] for place in few.source[train]]) * len(train)
    x = values.astype(np.float32)[train][:, : FEATURE_WIDTH // 2].astype(
        np.float64
    )  # the first of two sizes
    mean = np.average(x, axis=0, weights=weight)
    scale = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weight) + 1e-6)
    z, target = (x - mean) / scale, 2.0 * few.label[train] - 1
    left = (z * weight[:, None]).T @ z + 0.5 * z.shape[1] * np.eye(z.shape[1])
    expected = np.linalg.solve(left, (z * weight[:, None]).T @ target) / scale
    assert np.allclose(head.voices.weights[: FEATURE_WIDTH // 2, 0], expected, atol=1e-9)
    assert not head.voices.weights[FEATURE_WIDTH // 2 :].any()


def test_a_voice_hears_its_generator_and_is_told_in_units_of_photographs(them):
    values = traces(them)
    head = heads.fit_calibrated_head(
        EVERYTHING, them, seen(them, values), CrossGeneratorSettings(head="ridge-per-generator")
    )
    said = head.voices.each(values)
    assert said.shape == (360, 2)
    for place, own in ((0, 1), (1, 2)):
        of_others = said[them.source == 3 - own, place]
        assert said[them.source == own, place].mean() > said[them.source == 0, place].mean() + 2.5
        assert of_others.mean() < said[them.source == own, place].mean() - 2
    photographs = said[them.rows([REAL], "validation")]
    assert np.allclose(photographs.mean(axis=0), 0, atol=1e-4) and np.allclose(
        photographs.std(axis=0), 1, atol=1e-4
    )
    loudest = np.argsort(said.max(axis=1))[-50:]
    assert set(them.label[loudest]) == {1}


def test_a_threshold_of_folds_is_not_fooled_by_what_was_learnt_by_heart(them):
    """Pure noise and few images: those that taught a head lie far from its threshold, and others
    must not be held to that."""
    few = dataclasses.replace(
        them, split=np.where(np.arange(360) % 120 < 30, them.split, "quarantine")
    )
    values = np.random.default_rng(1).normal(size=(360, FEATURE_WIDTH)).astype(np.float32)
    head = heads.fit_calibrated_head(
        EVERYTHING,
        few,
        seen(few, values),
        CrossGeneratorSettings(head="ridge", strength=0.01, folds=5),
    )
    taught, others = (
        head.probabilities(values[rows]) for rows in (few.rows([REAL], "train"), np.arange(30, 120))
    )
    assert np.mean(taught >= head.threshold) == 0
    assert 0 < np.mean(others >= head.threshold) < 0.2


def test_no_image_is_judged_by_a_head_that_met_its_group(them, monkeypatch):
    paired = dataclasses.replace(them, group=np.arange(360) % 120)
    met = []
    whole = heads.HEAD_FITTERS["ridge"]
    monkeypatch.setitem(
        heads.HEAD_FITTERS,
        "ridge",
        lambda lesson: (met.append(set(paired.group[lesson.train])), whole(lesson))[1],
    )
    heads.fit_calibrated_head(
        EVERYTHING,
        paired,
        seen(paired, traces(paired)),
        CrossGeneratorSettings(head="ridge", folds=4),
    )
    every, *folds = met
    assert len(folds) == 4
    assert set.union(*(every - fold for fold in folds)) == every
    assert not any(
        (every - one) & (every - other) for one in folds for other in folds if one is not other
    )


def test_too_few_groups_for_the_folds_are_told(them):
    few = dataclasses.replace(them, group=np.where(them.label == 1, 0, np.arange(360)))
    with pytest.raises(
        console.PlainError, match="--folds 3 leaves a head without a class to learn"
    ):
        heads.fit_calibrated_head(
            EVERYTHING, few, seen(few, traces(few)), CrossGeneratorSettings(head="ridge", folds=3)
        )


def test_an_image_unlike_all_training_images_is_far_and_the_others_are_not(them):
    values = traces(them)
    home = distance.fit_training_distribution(
        values,
        np.arange(FEATURE_WIDTH),
        them.rows(SOURCES, "train"),
        them.rows(SOURCES, "validation"),
        0.05,
    )
    assert np.mean(home.far(values[them.rows(SOURCES, "validation")])) <= 0.05
    assert np.mean(home.far(values[them.rows(SOURCES, "hold-out")])) < 0.2
    assert home.far(values[:20] + 8.0).all()


def test_sure_mistakes_on_strange_images_become_doubt(them):
    """A third source that looks real to the head and like nothing it has seen: wrong and sure,
    until distance counts."""
    values = traces(them, 6.0)
    values[them.source == 2, 1] -= 6.0
    values[them.source == 2, 0] -= 20.0
    blind = Experiment("diffusion", (REAL, GAN), ((DIFFUSION,),), (REAL,))
    outcome = outcomes.evaluate_experiment(
        blind, them, seen(them, values), CrossGeneratorSettings(head="ridge")
    )
    sure = outcome.cells[0].sure
    assert sure.wrong.value > 0.9 and sure.far.value == 1 and sure.wrong_near.value == 0
    assert outcome.alarms[0].sure.far.value < 0.3


def test_the_history_control_finds_a_head_that_learnt_how_files_were_made(them):
    """Feature 0 is a trace of the generator, feature 1 one of its publisher's processing, done to
    photographs, too."""
    honest, cheating = np.random.default_rng(0).normal(size=(2, len(them.records), FEATURE_WIDTH))
    honest[them.label == 1, 0] += 6
    cheating[them.label == 1, 1] += 6
    for values, changed in ((honest, False), (cheating, True)):
        replayed = values.astype(np.float32)
        replayed[them.label == 1] = np.nan  # is not looked at
        replayed[them.label == 0, 1] += 6
        features = seen(them, values, {GAN: ReprocessedFeatures("468 px, JPEG 75", replayed)})
        outcome = outcomes.evaluate_experiment(
            EVERYTHING, them, features, CrossGeneratorSettings(head="ridge")
        )
        (found,) = outcome.history
        assert (found.source, found.processing) == ("gan", "468 px, JPEG 75")
        assert (found.change.value > 0.8) == changed
        assert found.processed - found.plain == pytest.approx(found.change.value)
