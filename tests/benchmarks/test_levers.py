"""What only the study of unseen generators sees in a picture, and a head whose blocks are opened."""

import types

import numpy as np
import pytest
from scipy.fft import dctn

from benchmarks import levers
from training import base_weights
from training.feature_cache import Extractor
from validation import matrix_heads, matrix_plan
from validation.matrix_heads import Features
from validation.matrix_settings import MatrixSettings

SIDE = 64


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """24 pictures; those at odd places carry a fine grid."""
    made = np.random.default_rng(0).uniform(60, 190, (24, SIDE, SIDE, 3)).astype(np.float32)
    made[1::2, ::2] += 40
    return made


def seen_by(kind: type[Extractor], pixels: np.ndarray):
    extractor = kind(base_weights.find("mobilenet_v2", "random"), (SIDE,), SIDE, "onnxruntime")
    return extractor, np.asarray(extractor.run(pixels))


def test_frequencies_are_the_cosine_transform_of_the_luma(pixels):
    extractor, seen = seen_by(levers.Frequencies, pixels[:2])
    luma = pixels[1] @ np.array([0.299, 0.587, 0.114])
    starts = range(0, SIDE - 16 + 1, 8)
    windows = np.stack([dctn(luma[y : y + 16, x : x + 16], norm="ortho").ravel() for y in starts for x in starts])
    assert extractor.width == 512
    np.testing.assert_allclose(seen[1, :256], np.log1p(np.abs(windows).mean(axis=0)), rtol=1e-3)
    np.testing.assert_allclose(seen[1, 256:], np.log1p(windows.std(axis=0)), rtol=1e-3)


def test_frequencies_stand_beside_the_taps(pixels):
    plain, taps = seen_by(Extractor, pixels[:2])
    both, seen = seen_by(levers.WithFrequencies, pixels[:2])
    _, alone = seen_by(levers.Frequencies, pixels[:2])
    np.testing.assert_allclose(seen, np.concatenate([taps, alone], axis=1), rtol=1e-4, atol=1e-5)
    assert both.columns[: len(plain.columns)] == plain.columns and both.name != plain.name


def test_opened_blocks_start_from_ridge_regression_and_learn(pixels, monkeypatch):
    extractor, seen = seen_by(levers.WithActivations, pixels)
    label = np.arange(24) % 2
    sources = [matrix_plan.Source("real", "camera"), matrix_plan.Source("generated", "gan")]
    split = np.where(np.arange(24) < 16, "train", "validation")
    them = matrix_plan.Images(sources, [None] * 24, label, split, np.arange(24), label)
    features = Features(extractor.columns, seen, seen[:16, None], {})
    settings = MatrixSettings(weights="random", size=SIDE, head="ridge")
    experiment = types.SimpleNamespace(learns=sources)
    start = matrix_heads.fit(experiment, them, features, settings)
    monkeypatch.setitem(matrix_heads.HEADS, "tuned", levers.tuned)
    object.__setattr__(settings, "head", "tuned")
    with monkeypatch.context() as patch:
        patch.setattr(levers, "RATE", 0.0)
        unmoved = matrix_heads.fit(experiment, them, features, settings)
    scores = start.voices.each(seen)[:, 0]
    np.testing.assert_allclose(unmoved.probabilities(seen), 1 / (1 + np.exp(-4 * scores)), atol=1e-3)
    moved = matrix_heads.fit(experiment, them, features, settings)
    assert not np.allclose(moved.probabilities(seen), unmoved.probabilities(seen), atol=1e-4)
    assert (moved.probabilities(seen[16:]) > 0.5).tolist() == [False, True] * 4
