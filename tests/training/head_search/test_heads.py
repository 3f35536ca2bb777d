"""What a head may look at, how it is built, and that it learns."""

import dataclasses

import keras
import keras_tuner
import numpy as np
import pytest

from toys.features import (
    FEATURE_COLUMNS,
    FEATURE_WIDTH,
    TAP_NAMES,
    assign_generators,
    make_toy_features,
)
from training import fitting
from training.features import column_selection, training_features
from training.head_search import batched_training, head_trainer, heads
from training.head_search.heads import HeadHyperModel


@pytest.mark.parametrize(
    ("taps", "expected"),
    [
        ("all", TAP_NAMES),
        ("early", TAP_NAMES[:4]),
        ("middle", TAP_NAMES[2:7]),
        ("late", TAP_NAMES[4:]),
        ("top", TAP_NAMES[-1:]),
        ("every third", ["tap2", "tap5", "tap8"]),
    ],
)
def test_tap_sets(taps, expected):
    found = column_selection.select_columns(
        FEATURE_COLUMNS, {"taps": taps, "sizes": "32", "statistics": "mean"}
    )
    assert sorted(column.tap for column in found) == expected
    assert {(column.size, column.statistic) for column in found} == {(32, "mean")}


def test_sizes_are_offered_alone_and_together():
    assert column_selection.list_size_choices(FEATURE_COLUMNS) == {
        "32+64": (32, 64),
        "32": (32,),
        "64": (64,),
    }
    everything = column_selection.select_columns(
        FEATURE_COLUMNS, {"taps": "all", "sizes": "32+64", "statistics": "mean+std"}
    )
    assert np.array_equal(
        column_selection.compute_column_indices(everything), np.arange(FEATURE_WIDTH)
    )


def test_signals_are_offered_alone_and_together():
    columns = [
        dataclasses.replace(column, signal="residual" if column.size == 64 else "picture")
        for column in FEATURE_COLUMNS
    ]
    assert list(column_selection.list_signal_choices(columns)) == [
        "picture+residual",
        "picture",
        "residual",
    ]
    values = {"taps": "all", "sizes": "32+64", "statistics": "mean+std"}
    assert {
        column.size
        for column in column_selection.select_columns(columns, {**values, "signals": "residual"})
    } == {64}
    assert (
        column_selection.select_columns(columns, {**values, "signals": "picture+residual"})
        == column_selection.select_columns(columns, values)
        == columns
    )


def test_rows_of_all_views_keep_their_labels():
    faces = make_toy_features()
    x, y, x_val, y_val = faces.arrays(FEATURE_COLUMNS)
    assert (x.shape, y.shape, x_val.shape, y_val.shape) == (
        (60, FEATURE_WIDTH),
        (60, 1),
        (60, FEATURE_WIDTH),
        (60, 1),
    )
    assert np.array_equal(x[30:], faces.train[:, 1])
    assert np.array_equal(y[:30], y[30:]) and np.array_equal(y[:30, 0], faces.train_labels)


def test_a_head_standardises_what_it_was_built_on_and_is_tame_on_dead_channels():
    faces = make_toy_features()
    faces.train[:, :, 2] = 5.0
    head = heads.build_head(faces, FEATURE_COLUMNS[:2], 0, 0, 0.0, 1e-4, 1e-3)
    x, *_ = faces.arrays(FEATURE_COLUMNS[:2])
    standardised = np.asarray(head.get_layer("standardise")(x))
    assert np.allclose(standardised[:, [0, 1, 3]].std(axis=0), 1, atol=1e-3)
    assert np.allclose(standardised.mean(axis=0), 0, atol=1e-4)
    assert np.array_equal(np.asarray(head(x)), np.zeros((60, 1)))  # a linear head starts undecided


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_a_head_learns_and_keeps_its_best_epoch(layers):
    keras.utils.set_random_seed(0)
    arrays = make_toy_features().arrays(FEATURE_COLUMNS[:4])
    head = heads.build_head(make_toy_features(), FEATURE_COLUMNS[:4], layers, 8, 0.1, 1e-4, 1e-2)
    history = fitting.fit_head(head, arrays, 16, patience=5, epochs=30).history
    loss, auc = head.evaluate(arrays[2], arrays[3], verbose=0)
    assert auc > 0.9
    assert np.isclose(loss, min(history["val_loss"]), atol=1e-4)
    assert head.count_params() > head.layers[-1].count_params() or layers == 0


def test_every_hyperparameter_that_is_logged_is_in_the_space():
    model = HeadHyperModel(
        {"mobilenet_v2": make_toy_features(), "xception": make_toy_features()}, 16
    )
    hp = keras_tuner.HyperParameters()
    model.build(hp)
    hp.values["layers"] = 2
    model.build(hp)
    assert set(heads.HEAD_HYPERPARAMETERS) == set(hp.values)
    assert hp.space[0].values == ["mobilenet_v2", "xception"]


def test_every_generator_has_a_voice_that_says_nothing_of_the_others():
    faces = assign_generators(make_toy_features(), "gan", "diffusion", "gan")
    assert faces.generators == ["diffusion", "gan"]
    _, y, _, y_val = faces.arrays(FEATURE_COLUMNS)
    assert y.shape == y_val.shape == (60, 2, 1)
    named = np.tile(faces.train_sources, 2)
    assert np.array_equal(y[named == "camera", :, 0], np.zeros((30, 2)))
    assert set(map(tuple, y[named == "gan", :, 0])) == {
        (training_features.OTHER_GENERATOR_TARGET, 1.0)
    }
    assert set(map(tuple, y[named == "diffusion", :, 0])) == {
        (1.0, training_features.OTHER_GENERATOR_TARGET)
    }


def test_a_single_generator_needs_no_voices():
    assert assign_generators(make_toy_features(), "gan").arrays(FEATURE_COLUMNS)[1].shape == (60, 1)
    head = heads.build_head(
        assign_generators(make_toy_features(), "gan"), FEATURE_COLUMNS, 0, 0, 0.0, 1e-4, 1e-3
    )
    assert heads.combine_generator_outputs(head) is head


def test_a_voice_learns_from_its_generator_and_the_photographs_alone():
    """Each voice of a linear head is what a head trained on that generator alone becomes."""
    faces = assign_generators(make_toy_features(120, 1), "gan", "diffusion", "gan")
    plan = head_trainer.HeadTrainingPlan(
        FEATURE_COLUMNS[:4],
        layers=0,
        units=0,
        dropout=0.0,
        decay=1e-6,
        rate=1e-2,
        epochs=150,
        patience=200,
    )
    (together,) = batched_training.train_heads(faces, [plan], 1000, seed=0)
    mean, variance = faces.mean_and_variance
    x = ((faces.train[:, 0] - mean) / np.sqrt(variance))[
        :, column_selection.compute_column_indices(FEATURE_COLUMNS[:4])
    ]
    for place, name in enumerate(faces.generators):
        mine = np.isin(faces.train_sources, ["camera", name])
        alone = dataclasses.replace(
            faces, train=faces.train[mine], train_labels=faces.train_labels[mine]
        )
        alone = dataclasses.replace(alone, train_sources=(), validation_sources=())
        (head,) = batched_training.train_heads(faces_like(alone, faces), [plan], 1000, seed=0)
        voice, other = (
            head_trainer.compute_head_logits(together.weights, x)[:, place],
            head_trainer.compute_head_logits(head.weights, x)[:, 0],
        )
        assert np.corrcoef(voice, other)[0, 1] > 0.995


def faces_like(
    faces: training_features.TrainingFeatures, scale: training_features.TrainingFeatures
) -> training_features.TrainingFeatures:
    """The same, standardised as another."""
    object.__setattr__(faces, "mean_and_variance", scale.mean_and_variance)
    return faces


def test_the_surest_voice_rules_and_the_undecided_stay_undecided():
    faces = assign_generators(make_toy_features(), "gan", "diffusion", "gan")
    head = heads.build_head(faces, FEATURE_COLUMNS[:2], 0, 0, 0.0, 1e-4, 1e-3)
    x, *_ = faces.arrays(FEATURE_COLUMNS[:2])
    assert np.allclose(heads.combine_generator_outputs(head)(x), 0, atol=1e-6)
    kernel = np.zeros(head.get_layer("logit").get_weights()[0].shape)
    head.get_layer("logit").set_weights([kernel, np.array([20.0, -5.0])])
    assert np.allclose(heads.combine_generator_outputs(head)(x), 20 - np.log(2), atol=1e-4)
