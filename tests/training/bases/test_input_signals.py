"""The noise residual is what blurring removes, it can be exported, and two signals do not mix."""

import keras
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from toys.images import make_image
from training.bases import input_signals
from training.bases import weights as base_weights
from training.bases.base_models import build_base
from training.bases.loaded_base import LoadedBase
from training.detectors import assembly, safe_keras
from training.features import layout
from training.features.extractor import Extractor
from training.onnx_files import onnx_export

SIDE = 64


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.stack([np.asarray(make_image(seed, SIDE), dtype=np.float32) for seed in range(3)])


@pytest.fixture(scope="module")
def residual() -> keras.Model:
    inputs = keras.Input((SIDE, SIDE, 3))
    return keras.Model(inputs, input_signals.compute_residual(inputs))


def test_the_residual_is_what_a_blurred_picture_has_lost(residual, pixels):
    blurred = gaussian_filter(pixels, (0, 1, 1, 0), mode="reflect")
    expected = np.clip(128 + 4 * (pixels - blurred), 0, 255)
    assert np.abs(residual.predict_on_batch(pixels) - expected).max() < 0.01


def test_a_flat_picture_has_none(residual):
    flat = np.full((1, SIDE, SIDE, 3), 200, np.float32)
    assert np.abs(residual.predict_on_batch(flat) - 128).max() < 0.01


def test_a_detector_that_looks_at_the_residual_survives_every_way_out(pixels, tmp_path):
    keras.utils.set_random_seed(0)
    base = LoadedBase.from_model(build_base("mobilenet_v2"))
    columns = [
        c for c in layout.list_columns(base, (SIDE,), ("residual",)) if c.tap in ("stem", "block2")
    ]
    head = keras.Sequential(
        [keras.Input((sum(c.stop - c.start for c in columns),)), keras.layers.Dense(1)]
    )
    model = assembly.build_detector_model(base, SIDE, [assembly.EnsembleMember(columns, head, 1.0)])
    assert (
        onnx_export.export_checked_onnx(model, tmp_path / "detector.onnx")
        < onnx_export.MAX_PARITY_ERROR
    )
    model.save(tmp_path / "detector.keras")
    loaded = safe_keras.load_keras_model(tmp_path / "detector.keras")
    assert np.array_equal(loaded.predict_on_batch(pixels), model.predict_on_batch(pixels))


def test_features_of_both_signals_are_those_of_each(cache, pixels):
    weights = base_weights.find_base_weights("mobilenet_v2", "random")
    size = SIDE - 32
    alone = [
        Extractor(weights, (size,), SIDE, "keras", (signal,)) for signal in ("picture", "residual")
    ]
    both = Extractor(weights, (size,), SIDE, "keras", ("picture", "residual"))
    assert {column.signal for column in both.columns} == {"picture", "residual"}
    assert both.width == 2 * alone[0].width
    separate = np.concatenate([extractor.run(pixels) for extractor in alone], axis=1)
    assert np.allclose(both.run(pixels), separate, rtol=1e-4, atol=1e-5)
    assert not np.allclose(separate[:, : alone[0].width], separate[:, alone[0].width :])
