"""Resizing, features and the joined detector survive export and open without Telltale's code."""

import keras
import numpy as np
import pytest
from PIL import Image

from toys.features import make_toy_spec
from toys.images import make_image
from toys.saved_detectors import predict_in_plain_keras
from training.bases import input_signals
from training.bases.base_models import build_base
from training.bases.loaded_base import LoadedBase
from training.detectors import assembly
from training.features import layout
from training.features.column_selection import (
    STATISTIC_SETS,
    TAP_SETS,
    compute_column_indices,
    select_columns,
)
from training.features.training_features import SplitFeatures, TrainingFeatures
from training.head_search.heads import build_uncompiled_head
from training.onnx_files import onnx_export


@pytest.fixture(scope="module")
def base():
    keras.utils.set_random_seed(0)
    return LoadedBase.from_model(build_base("mobilenet_v2"))


def test_resizing_is_pillows_lanczos():
    image = make_image(1, 96)
    pixels = keras.Input((96, 96, 3))
    model = keras.Model(pixels, input_signals.resize_pixels(pixels, 64))
    resized = model.predict_on_batch(np.asarray(image, dtype=np.float32)[None])[0]
    expected = np.asarray(image.resize((64, 64), Image.Resampling.LANCZOS), dtype=np.float32)
    assert np.abs(resized - expected).max() < 2  # Pillow rounds to whole levels twice
    assert np.abs(resized - expected).mean() < 0.4


def test_resizing_to_the_same_size_adds_nothing():
    pixels = keras.Input((64, 64, 3))
    assert input_signals.resize_pixels(pixels, 64) is pixels


def test_pooling_is_mean_and_standard_deviation():
    tap = keras.Input((5, 5, 3))
    model = keras.Model(tap, [layout.pool_tap(tap, "mean"), layout.pool_tap(tap, "std")])
    x = np.random.default_rng(0).normal(size=(2, 5, 5, 3)).astype(np.float32)
    mean, std = model.predict_on_batch(x)
    assert np.allclose(mean, x.mean(axis=(1, 2)), atol=1e-6)
    assert np.allclose(std, x.std(axis=(1, 2)), atol=1e-5)


def test_tokens_are_pooled_into_the_first_and_the_patches_mean_and_deviation():
    tap = keras.Input((1 + 9, 4))
    pooled = [layout.pool_tap(tap, statistic) for statistic in ("class", "mean", "std")]
    x = np.random.default_rng(0).normal(size=(2, 10, 4)).astype(np.float32)
    token, mean, std = keras.Model(tap, pooled).predict_on_batch(x)
    assert np.array_equal(token, x[:, 0])
    assert np.allclose(mean, x[:, 1:].mean(axis=1), atol=1e-6)
    assert np.allclose(std, x[:, 1:].std(axis=1), atol=1e-5)


def test_a_selection_of_columns_equals_the_same_columns_of_everything(base):
    whole = layout.build_extractor_model(base, (64, 32), 64)
    columns = layout.list_columns(base, (64, 32))
    selected = [
        column
        for column in columns
        if column.tap in ("block3", "top") and column.statistic == "std"
    ]
    pixels = keras.Input((64, 64, 3))
    part = keras.Model(
        pixels,
        layout.concatenate_columns(layout.compute_columns(pixels, base, selected), selected),
    )
    x = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype(np.float32)
    assert np.allclose(
        part.predict_on_batch(x),
        whole.predict_on_batch(x)[:, compute_column_indices(selected)],
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize("taps", list(TAP_SETS))
@pytest.mark.parametrize("statistics", STATISTIC_SETS)
@pytest.mark.parametrize("sizes", [(64,), (64, 32)])
def test_every_choice_of_columns_can_be_joined(base, taps, statistics, sizes):
    everything = layout.list_columns(base, (64, 32))
    columns = select_columns(everything, taps=taps, statistics=statistics, sizes=sizes)
    pixels = keras.Input((64, 64, 3))
    vector = layout.concatenate_columns(layout.compute_columns(pixels, base, columns), columns)
    assert vector.shape == (None, sum(column.stop - column.start for column in columns))


def test_the_joined_detector_equals_head_on_features_in_keras_and_in_onnx(base, tmp_path):
    columns = [c for c in layout.list_columns(base, (32, 64)) if c.tap in ("stem", "block5")]
    x = np.random.default_rng(0).uniform(0, 255, (3, 64, 64, 3)).astype(np.float32)
    everything = np.asarray(layout.build_extractor_model(base, (32, 64), 64).predict_on_batch(x))
    features = everything[:, compute_column_indices(columns)]
    labels = np.array([0, 1, 0])
    split = SplitFeatures(everything[:, None], labels)
    toy_features = TrainingFeatures(columns, split, split)
    hidden, linear = make_toy_spec(layers=1, units=8, dropout=0.5), make_toy_spec(dropout=0.5)
    heads = [build_uncompiled_head(toy_features, columns, hidden, name="head1")]
    heads.append(build_uncompiled_head(toy_features, columns[:1], linear, name="head2"))
    heads[1].get_layer("logit").set_weights([np.ones((heads[1].input_shape[1], 1)), np.zeros(1)])
    members = [
        assembly.EnsembleMember(columns, heads[0], 0.5),
        assembly.EnsembleMember(columns[:1], heads[1], -0.01),
    ]
    joined = assembly.build_detector_model(base, 64, members)
    first = everything[:, compute_column_indices(columns[:1])]
    logits = 0.5 * heads[0].predict_on_batch(features) - 0.01 * heads[1].predict_on_batch(first)
    assert np.allclose(joined.predict_on_batch(x), 1 / (1 + np.exp(-logits)), atol=1e-5)

    joined.save(tmp_path / "detector.keras")
    onnx_export.export_onnx(joined, tmp_path / "detector.onnx")
    assert (
        onnx_export.measure_parity(joined, tmp_path / "detector.onnx")
        < onnx_export.MAX_PARITY_ERROR
    )
    alone = predict_in_plain_keras(tmp_path / "detector.keras", x, tmp_path)
    assert np.allclose(alone, joined.predict_on_batch(x).ravel(), atol=1e-6)
