"""What a head may look at, how it is built, and that it learns."""

import dataclasses

import keras
import keras_tuner
import numpy as np
import pytest

from toy_features import COLUMNS, TAPS, WIDTH, of_generators, toy_faces
from training import heads, lanes
from training.heads import HeadHyperModel


@pytest.mark.parametrize(
    ("taps", "expected"),
    [
        ("all", TAPS),
        ("early", TAPS[:4]),
        ("middle", TAPS[2:7]),
        ("late", TAPS[4:]),
        ("top", TAPS[-1:]),
        ("every third", ["tap2", "tap5", "tap8"]),
    ],
)
def test_tap_sets(taps, expected):
    found = heads.chosen(COLUMNS, {"taps": taps, "sizes": "32", "statistics": "mean"})
    assert sorted(column.tap for column in found) == expected
    assert {(column.size, column.statistic) for column in found} == {(32, "mean")}


def test_sizes_are_offered_alone_and_together():
    assert heads.sizes_on_offer(COLUMNS) == {"32+64": (32, 64), "32": (32,), "64": (64,)}
    everything = heads.chosen(COLUMNS, {"taps": "all", "sizes": "32+64", "statistics": "mean+std"})
    assert np.array_equal(heads.indices(everything), np.arange(WIDTH))


def test_signals_are_offered_alone_and_together():
    columns = [dataclasses.replace(column, signal="residual" if column.size == 64 else "picture") for column in COLUMNS]
    assert list(heads.signals_on_offer(columns)) == ["picture+residual", "picture", "residual"]
    values = {"taps": "all", "sizes": "32+64", "statistics": "mean+std"}
    assert {column.size for column in heads.chosen(columns, {**values, "signals": "residual"})} == {64}
    assert heads.chosen(columns, {**values, "signals": "picture+residual"}) == heads.chosen(columns, values) == columns


def test_rows_of_all_views_keep_their_labels():
    faces = toy_faces()
    x, y, x_val, y_val = faces.arrays(COLUMNS)
    assert (x.shape, y.shape, x_val.shape, y_val.shape) == ((60, WIDTH), (60, 1), (60, WIDTH), (60, 1))
    assert np.array_equal(x[30:], faces.train[:, 1])
    assert np.array_equal(y[:30], y[30:]) and np.array_equal(y[:30, 0], faces.train_labels)


def test_a_head_standardises_what_it_was_built_on_and_is_tame_on_dead_channels():
    faces = toy_faces()
    faces.train[:, :, 2] = 5.0
    head = heads.build_head(faces, COLUMNS[:2], 0, 0, 0.0, 1e-4, 1e-3)
    x, *_ = faces.arrays(COLUMNS[:2])
    standardised = np.asarray(head.get_layer("standardise")(x))
    assert np.allclose(standardised[:, [0, 1, 3]].std(axis=0), 1, atol=1e-3)
    assert np.allclose(standardised.mean(axis=0), 0, atol=1e-4)
    assert np.array_equal(np.asarray(head(x)), np.zeros((60, 1)))  # a linear head starts undecided


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_a_head_learns_and_keeps_its_best_epoch(layers):
    keras.utils.set_random_seed(0)
    arrays = toy_faces().arrays(COLUMNS[:4])
    head = heads.build_head(toy_faces(), COLUMNS[:4], layers, 8, 0.1, 1e-4, 1e-2)
    history = heads.fit_head(head, arrays, 16, patience=5, epochs=30).history
    loss, auc = head.evaluate(arrays[2], arrays[3], verbose=0)
    assert auc > 0.9
    assert np.isclose(loss, min(history["val_loss"]), atol=1e-4)
    assert head.count_params() > head.layers[-1].count_params() or layers == 0


def test_every_hyperparameter_that_is_logged_is_in_the_space():
    model = HeadHyperModel({"mobilenet_v2": toy_faces(), "xception": toy_faces()}, 16)
    hp = keras_tuner.HyperParameters()
    model.build(hp)
    hp.values["layers"] = 2
    model.build(hp)
    assert set(heads.HYPERPARAMETERS) == set(hp.values)
    assert hp.space[0].values == ["mobilenet_v2", "xception"]


def test_every_generator_has_a_voice_that_says_nothing_of_the_others():
    faces = of_generators(toy_faces(), "gan", "diffusion", "gan")
    assert faces.generators == ["diffusion", "gan"]
    _, y, _, y_val = faces.arrays(COLUMNS)
    assert y.shape == y_val.shape == (60, 2, 1)
    named = np.tile(faces.train_sources, 2)
    assert np.array_equal(y[named == "camera", :, 0], np.zeros((30, 2)))
    assert set(map(tuple, y[named == "gan", :, 0])) == {(heads.OTHER, 1.0)}
    assert set(map(tuple, y[named == "diffusion", :, 0])) == {(1.0, heads.OTHER)}


def test_a_single_generator_needs_no_voices():
    assert of_generators(toy_faces(), "gan").arrays(COLUMNS)[1].shape == (60, 1)
    head = heads.build_head(of_generators(toy_faces(), "gan"), COLUMNS, 0, 0, 0.0, 1e-4, 1e-3)
    assert heads.one_logit(head) is head


def test_a_voice_learns_from_its_generator_and_the_photographs_alone():
    """Each voice of a linear head is what a head trained on that generator alone becomes."""
    faces = of_generators(toy_faces(120, 1), "gan", "diffusion", "gan")
    plan = lanes.Plan(COLUMNS[:4], layers=0, units=0, dropout=0.0, decay=1e-6, rate=1e-2, epochs=150, patience=200)
    (together,) = lanes.train(faces, [plan], 1000, seed=0)
    mean, variance = faces.mean_and_variance
    x = ((faces.train[:, 0] - mean) / np.sqrt(variance))[:, heads.indices(COLUMNS[:4])]
    for place, name in enumerate(faces.generators):
        mine = np.isin(faces.train_sources, ["camera", name])
        alone = dataclasses.replace(faces, train=faces.train[mine], train_labels=faces.train_labels[mine])
        alone = dataclasses.replace(alone, train_sources=(), validation_sources=())
        (head,) = lanes.train(faces_like(alone, faces), [plan], 1000, seed=0)
        voice, other = lanes.logits_of(together.weights, x)[:, place], lanes.logits_of(head.weights, x)[:, 0]
        assert np.corrcoef(voice, other)[0, 1] > 0.995


def faces_like(faces: heads.TrainingFaces, scale: heads.TrainingFaces) -> heads.TrainingFaces:
    """The same, standardised as another."""
    object.__setattr__(faces, "mean_and_variance", scale.mean_and_variance)
    return faces


def test_the_surest_voice_rules_and_the_undecided_stay_undecided():
    faces = of_generators(toy_faces(), "gan", "diffusion", "gan")
    head = heads.build_head(faces, COLUMNS[:2], 0, 0, 0.0, 1e-4, 1e-3)
    x, *_ = faces.arrays(COLUMNS[:2])
    assert np.allclose(heads.one_logit(head)(x), 0, atol=1e-6)
    kernel = np.zeros(head.get_layer("logit").get_weights()[0].shape)
    head.get_layer("logit").set_weights([kernel, np.array([20.0, -5.0])])
    assert np.allclose(heads.one_logit(head)(x), 20 - np.log(2), atol=1e-4)
