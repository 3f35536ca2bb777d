"""Heads of the cross-generator evaluation: ridge regression, per-generator outputs, thresholds from
images that train nothing, and distance."""

import dataclasses

import numpy as np
import pytest

from data_collection.dataset.manifest import FaceRecord
from runtime import console
from toys.features import FEATURE_COLUMNS, FEATURE_WIDTH
from validation.cross_generator import distance, head_training, outcomes
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
def images() -> SourceImages:
    """120 images of each source, each its own group."""
    source = np.repeat([0, 1, 2], 120)
    records = [
        FaceRecord(
            id=str(n),
            label=SOURCES[index].label,
            source=SOURCES[index].name,
            file="",
            status="accepted",
        )
        for n, index in enumerate(source)
    ]
    return SourceImages(
        sources=list(SOURCES),
        records=records,
        source=source,
        split=np.array(SPLITS * 60),
        group=np.arange(360),
        label=(source > 0).astype(np.int64),
    )


def make_features(images: SourceImages, values: np.ndarray, processed=()) -> BaseFeatures:
    values = values.astype(np.float32)
    return BaseFeatures(
        FEATURE_COLUMNS,
        values[:, None],
        values[images.rows(images.sources, "train")][:, None],
        dict(processed),
    )


def traces(images: SourceImages, strength: float = 4.0) -> np.ndarray:
    """Noise, in which each generator leaves its own trace."""
    values = np.random.default_rng(0).normal(size=(len(images.records), FEATURE_WIDTH))
    values[images.source == 1, 0] += strength
    values[images.source == 2, 1] += strength
    return values


def test_ridge_regression_is_the_closed_form_with_every_source_weighing_the_same(images):
    few = dataclasses.replace(
        images,
        split=np.where((images.source == 1) & (np.arange(360) % 3 > 0), "quarantine", images.split),
    )
    values = traces(few)
    head = head_training.fit_calibrated_head(
        EVERYTHING,
        few,
        make_features(few, values),
        CrossGeneratorSettings(head="ridge", strength=0.5),
    )
    train = few.rows(SOURCES, "train")
    share = {0: 0.5, 1: 0.25, 2: 0.25}
    counts = np.bincount(few.source[train])
    weight = np.array([share[index] / counts[index] for index in few.source[train]]) * len(train)
    x = values.astype(np.float32)[train][:, : FEATURE_WIDTH // 2].astype(
        np.float64
    )  # the first of two sizes
    mean = np.average(x, axis=0, weights=weight)
    scale = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weight) + 1e-6)
    z, target = (x - mean) / scale, 2.0 * few.label[train] - 1
    left = (z * weight[:, None]).T @ z + 0.5 * z.shape[1] * np.eye(z.shape[1])
    expected = np.linalg.solve(left, (z * weight[:, None]).T @ target) / scale
    assert np.allclose(head.scorer.weights[: FEATURE_WIDTH // 2, 0], expected, atol=1e-9)
    assert not head.scorer.weights[FEATURE_WIDTH // 2 :].any()


def test_an_output_responds_to_its_generator_and_is_scaled_by_photographs(images):
    values = traces(images)
    head = head_training.fit_calibrated_head(
        EVERYTHING,
        images,
        make_features(images, values),
        CrossGeneratorSettings(head="ridge-per-generator"),
    )
    outputs = head.scorer.compute_outputs(values)
    assert outputs.shape == (360, 2)
    for index, source in ((0, 1), (1, 2)):
        own = outputs[images.source == source, index].mean()
        assert own > outputs[images.source == 0, index].mean() + 2.5
        assert outputs[images.source == 3 - source, index].mean() < own - 2
    photographs = outputs[images.rows([REAL], "validation")]
    assert np.allclose(photographs.mean(axis=0), 0, atol=1e-4) and np.allclose(
        photographs.std(axis=0), 1, atol=1e-4
    )
    highest = np.argsort(outputs.max(axis=1))[-50:]
    assert set(images.label[highest]) == {1}


def test_a_threshold_of_folds_is_not_affected_by_overfitting(images):
    """With pure noise and few images, training images lie far from the threshold; it must suit
    others."""
    few = dataclasses.replace(
        images, split=np.where(np.arange(360) % 120 < 30, images.split, "quarantine")
    )
    values = np.random.default_rng(1).normal(size=(360, FEATURE_WIDTH)).astype(np.float32)
    head = head_training.fit_calibrated_head(
        EVERYTHING,
        few,
        make_features(few, values),
        CrossGeneratorSettings(head="ridge", strength=0.01, folds=5),
    )
    training, others = (
        head.probabilities(values[rows][:, None])
        for rows in (few.rows([REAL], "train"), np.arange(30, 120))
    )
    assert np.mean(training >= head.threshold) == 0
    assert 0 < np.mean(others >= head.threshold) < 0.2


def test_no_image_is_scored_by_a_head_that_was_trained_on_its_group(images, monkeypatch):
    paired = dataclasses.replace(images, group=np.arange(360) % 120)
    training_groups = []
    fit_ridge = head_training.HEAD_FITTERS["ridge"]
    monkeypatch.setitem(
        head_training.HEAD_FITTERS,
        "ridge",
        lambda task: (training_groups.append(set(paired.group[task.train])), fit_ridge(task))[1],
    )
    head_training.fit_calibrated_head(
        EVERYTHING,
        paired,
        make_features(paired, traces(paired)),
        CrossGeneratorSettings(head="ridge", folds=4),
    )
    every, *folds = training_groups
    assert len(folds) == 4
    assert set.union(*(every - fold for fold in folds)) == every
    assert not any(
        (every - first) & (every - second)
        for first in folds
        for second in folds
        if first is not second
    )


def test_too_few_groups_for_the_folds_are_an_error(images):
    few = dataclasses.replace(images, group=np.where(images.label == 1, 0, np.arange(360)))
    with pytest.raises(
        console.PlainError, match="--folds 3 leaves a head without a class to learn"
    ):
        head_training.fit_calibrated_head(
            EVERYTHING,
            few,
            make_features(few, traces(few)),
            CrossGeneratorSettings(head="ridge", folds=3),
        )


def test_an_image_unlike_all_training_images_is_out_of_distribution_and_others_are_not(images):
    values = traces(images)
    training_distribution = distance.fit_training_distribution(
        values,
        np.arange(FEATURE_WIDTH),
        images.rows(SOURCES, "train"),
        images.rows(SOURCES, "validation"),
        0.05,
    )
    assert (
        np.mean(
            training_distribution.is_out_of_distribution(values[images.rows(SOURCES, "validation")])
        )
        <= 0.05
    )
    assert (
        np.mean(
            training_distribution.is_out_of_distribution(values[images.rows(SOURCES, "hold-out")])
        )
        < 0.2
    )
    assert training_distribution.is_out_of_distribution(values[:20] + 8.0).all()


def test_confident_errors_on_out_of_distribution_images_become_abstentions(images):
    """A source that looks real to the head and unlike its training images: confidently wrong, until
    distance counts."""
    values = traces(images, 6.0)
    values[images.source == 2, 1] -= 6.0
    values[images.source == 2, 0] -= 20.0
    experiment = Experiment("diffusion", (REAL, GAN), ((DIFFUSION,),), (REAL,))
    outcome = outcomes.evaluate_experiment(
        experiment, images, make_features(images, values), CrossGeneratorSettings(head="ridge")
    )
    errors = outcome.cells[0].confident_errors
    assert (
        errors.wrong.value > 0.9
        and errors.out_of_distribution.value == 1
        and errors.wrong_in_distribution.value == 0
    )
    assert outcome.false_alarms[0].confident_errors.out_of_distribution.value < 0.3


def test_the_history_control_finds_a_head_that_uses_the_processing(images):
    """Feature 0 is a trace of the generator, feature 1 one of its processing, which photographs
    get, too."""
    honest, cheating = np.random.default_rng(0).normal(size=(2, len(images.records), FEATURE_WIDTH))
    honest[images.label == 1, 0] += 6
    cheating[images.label == 1, 1] += 6
    for values, changed in ((honest, False), (cheating, True)):
        reprocessed = values.astype(np.float32)
        reprocessed[images.label == 1] = np.nan  # is not used
        reprocessed[images.label == 0, 1] += 6
        features = make_features(
            images, values, {GAN: ReprocessedFeatures("468 px, JPEG 75", reprocessed[:, None])}
        )
        outcome = outcomes.evaluate_experiment(
            EVERYTHING, images, features, CrossGeneratorSettings(head="ridge")
        )
        (result,) = outcome.reprocessed
        assert (result.source, result.processing) == ("gan", "468 px, JPEG 75")
        assert (result.change.value > 0.8) == changed
        assert result.share_after - result.share_before == pytest.approx(result.change.value)
