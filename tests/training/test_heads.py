"""What a head may look at, how it is built, and that it learns."""

import keras
import keras_tuner
import numpy as np
import pytest

from toy_features import COLUMNS, TAPS, WIDTH, toy_faces
from training import heads
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
