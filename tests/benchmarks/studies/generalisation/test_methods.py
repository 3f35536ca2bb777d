"""Methods of the study of unseen generators: frequency features and unfrozen blocks."""

import types

import numpy as np
import pytest
from scipy.fft import dctn

from benchmarks.studies.generalisation import methods
from training.bases import weights
from training.features.extractor import Extractor
from validation.cross_generator import head_training, plan
from validation.cross_generator.settings import CrossGeneratorSettings
from validation.cross_generator.task import BaseFeatures

SIDE_PX = 64


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """24 images; those at odd indices have a fine grid."""
    values = np.random.default_rng(0).uniform(60, 190, (24, SIDE_PX, SIDE_PX, 3))
    values = values.astype(np.float32)
    values[1::2, ::2] += 40
    return values


def extract(extractor_class: type[Extractor], pixels: np.ndarray) -> tuple[Extractor, np.ndarray]:
    base_weights = weights.find_base_weights("mobilenet_v2", "random")
    extractor = extractor_class(base_weights, (SIDE_PX,), SIDE_PX, "onnxruntime")
    return extractor, np.asarray(extractor.run(pixels))


def test_frequencies_are_the_cosine_transform_of_the_luma(pixels):
    extractor, features = extract(methods.FrequencyExtractor, pixels[:2])
    luma = pixels[1] @ np.array([0.299, 0.587, 0.114])
    starts = range(0, SIDE_PX - 16 + 1, 8)
    windows = np.stack(
        [dctn(luma[y : y + 16, x : x + 16], norm="ortho").ravel() for y in starts for x in starts]
    )
    assert extractor.width == 512
    np.testing.assert_allclose(features[1, :256], np.log1p(np.abs(windows).mean(axis=0)), rtol=1e-3)
    np.testing.assert_allclose(features[1, 256:], np.log1p(windows.std(axis=0)), rtol=1e-3)


def test_frequencies_follow_the_taps(pixels):
    plain, taps = extract(Extractor, pixels[:2])
    both, features = extract(methods.TapsAndFrequenciesExtractor, pixels[:2])
    _, frequencies = extract(methods.FrequencyExtractor, pixels[:2])
    expected = np.concatenate([taps, frequencies], axis=1)
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)
    assert both.columns[: len(plain.columns)] == plain.columns and both.name != plain.name


def test_unfrozen_blocks_start_from_ridge_regression_and_learn(pixels, monkeypatch):
    extractor, values = extract(methods.TapsAndActivationsExtractor, pixels)
    label = np.arange(24) % 2
    sources = [plan.ImageSource("real", "camera"), plan.ImageSource("generated", "gan")]
    split = np.where(np.arange(24) < 16, "train", "validation")
    images = plan.SourceImages(
        sources=sources,
        records=[None] * 24,
        source=label,
        split=split,
        group=np.arange(24),
        label=label,
    )
    features = BaseFeatures(extractor.columns, values[:, None], values[:16, None], {})
    settings = CrossGeneratorSettings(weights="random", size=SIDE_PX, head="ridge")
    experiment = types.SimpleNamespace(training_sources=sources)
    ridge = head_training.fit_calibrated_head(experiment, images, features, settings)
    monkeypatch.setitem(head_training.HEAD_FITTERS, "tuned", methods.train_unfrozen_detector)
    object.__setattr__(settings, "head", "tuned")
    with monkeypatch.context() as patch:
        patch.setattr(methods, "UNFROZEN_LEARNING_RATE", 0.0)
        unchanged = head_training.fit_calibrated_head(experiment, images, features, settings)
    outputs = ridge.scorer.compute_outputs(values)[:, 0]
    np.testing.assert_allclose(
        unchanged.probabilities(values[:, None]), 1 / (1 + np.exp(-4 * outputs)), atol=1e-3
    )
    trained = head_training.fit_calibrated_head(experiment, images, features, settings)
    assert not np.allclose(
        trained.probabilities(values[:, None]), unchanged.probabilities(values[:, None]), atol=1e-4
    )
    assert (trained.probabilities(values[16:, None]) > 0.5).tolist() == [False, True] * 4
