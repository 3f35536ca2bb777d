"""What only the study of unseen generators sees in a picture, and a head whose blocks are
opened."""

import types

import numpy as np
import pytest
from scipy.fft import dctn

from benchmarks.studies import generalisation_methods
from training.bases import weights
from training.features.extractor import Extractor
from validation.cross_generator import head_training, plan
from validation.cross_generator.settings import CrossGeneratorSettings
from validation.cross_generator.task import BaseFeatures

SIDE = 64


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """24 pictures; those at odd places carry a fine grid."""
    made = np.random.default_rng(0).uniform(60, 190, (24, SIDE, SIDE, 3)).astype(np.float32)
    made[1::2, ::2] += 40
    return made


def seen_by(kind: type[Extractor], pixels: np.ndarray):
    extractor = kind(
        weights.find_base_weights("mobilenet_v2", "random"), (SIDE,), SIDE, "onnxruntime"
    )
    return extractor, np.asarray(extractor.run(pixels))


def test_frequencies_are_the_cosine_transform_of_the_luma(pixels):
    extractor, seen = seen_by(generalisation_methods.FrequencyExtractor, pixels[:2])
    luma = pixels[1] @ np.array([0.299, 0.587, 0.114])
    starts = range(0, SIDE - 16 + 1, 8)
    windows = np.stack(
        [dctn(luma[y : y + 16, x : x + 16], norm="ortho").ravel() for y in starts for x in starts]
    )
    assert extractor.width == 512
    np.testing.assert_allclose(seen[1, :256], np.log1p(np.abs(windows).mean(axis=0)), rtol=1e-3)
    np.testing.assert_allclose(seen[1, 256:], np.log1p(windows.std(axis=0)), rtol=1e-3)


def test_frequencies_stand_beside_the_taps(pixels):
    plain, taps = seen_by(Extractor, pixels[:2])
    both, seen = seen_by(generalisation_methods.TapsAndFrequenciesExtractor, pixels[:2])
    _, alone = seen_by(generalisation_methods.FrequencyExtractor, pixels[:2])
    np.testing.assert_allclose(seen, np.concatenate([taps, alone], axis=1), rtol=1e-4, atol=1e-5)
    assert both.columns[: len(plain.columns)] == plain.columns and both.name != plain.name


def test_opened_blocks_start_from_ridge_regression_and_learn(pixels, monkeypatch):
    extractor, seen = seen_by(generalisation_methods.TapsAndActivationsExtractor, pixels)
    label = np.arange(24) % 2
    sources = [plan.ImageSource("real", "camera"), plan.ImageSource("generated", "gan")]
    split = np.where(np.arange(24) < 16, "train", "validation")
    images = plan.SourceImages(sources, [None] * 24, label, split, np.arange(24), label)
    features = BaseFeatures(extractor.columns, seen, seen[:16, None], {})
    settings = CrossGeneratorSettings(weights="random", size=SIDE, head="ridge")
    experiment = types.SimpleNamespace(training_sources=sources)
    start = head_training.fit_calibrated_head(experiment, images, features, settings)
    monkeypatch.setitem(
        head_training.HEAD_FITTERS, "tuned", generalisation_methods.train_unfrozen_detector
    )
    object.__setattr__(settings, "head", "tuned")
    with monkeypatch.context() as patch:
        patch.setattr(generalisation_methods, "UNFROZEN_LEARNING_RATE", 0.0)
        unmoved = head_training.fit_calibrated_head(experiment, images, features, settings)
    scores = start.scorer.compute_outputs(seen)[:, 0]
    np.testing.assert_allclose(
        unmoved.probabilities(seen), 1 / (1 + np.exp(-4 * scores)), atol=1e-3
    )
    moved = head_training.fit_calibrated_head(experiment, images, features, settings)
    assert not np.allclose(moved.probabilities(seen), unmoved.probabilities(seen), atol=1e-4)
    assert (moved.probabilities(seen[16:]) > 0.5).tolist() == [False, True] * 4
