"""What a search must beat, and the linear ones as ONNX detectors that answer as they did in training."""

import numpy as np
import pytest

from data_collection.manifest import FaceRecord
from toy_features import WIDTH, toy_faces
from training import base_weights, baselines, onnx_files
from training.feature_cache import Extractor
from training.heads import TrainingFaces


def records(count: int) -> list[FaceRecord]:
    """Photographs as JPEG of any size, generated images as PNG of one size: the usual collection."""
    draw = np.random.default_rng(0)
    made = []
    for number in range(count):
        generated = number % 2
        side = 512 if generated else int(draw.integers(300, 2000))
        label, format = ("generated", "PNG") if generated else ("real", "JPEG")
        made.append(
            FaceRecord(str(number), label, "s", "f", "accepted", format=format, mode="RGB", width=side, height=side, bytes=99)
        )
    return made


def test_the_majority_knows_only_the_share():
    assert baselines.majority(np.array([1, 1, 1, 0]), 3).probabilities.tolist() == [0.75] * 3


def test_metadata_alone_gives_a_careless_collection_away():
    rows = records(80)
    labels = np.array([row.label == "generated" for row in rows])
    found = baselines.metadata_only(rows[:40], rows[40:], labels[:40])
    assert np.all((found.probabilities > 0.5) == labels[40:])


@pytest.mark.parametrize(("taps", "statistics", "width"), [("top", "mean", 2), ("all", "mean+std", WIDTH // 2)])
def test_logistic_regression_uses_its_columns_only_and_learns(taps, statistics, width):
    found = baselines.logistic("name", "base", toy_faces(), taps, statistics, 32)
    assert np.count_nonzero(found.weights) == width
    right = np.mean((found.probabilities > 0.5) == toy_faces().validation_labels)
    assert right > 0.9 if taps == "all" else right < 0.9  # the toy's top tap is pure noise


def test_an_exported_baseline_answers_as_it_did_in_training(tmp_path, cache):
    extractor = Extractor(base_weights.find("mobilenet_v2", "random"), (32,), 32)
    pixels = np.random.default_rng(0).uniform(0, 255, (24, 32, 32, 3)).astype(np.float32)
    values = extractor.run(pixels)[:, None]
    labels = np.arange(24) % 2
    faces = TrainingFaces(extractor.columns, values[:16], values[16:], labels[:16], labels[16:])
    found = baselines.logistic("all", "mobilenet_v2", faces, "all", "mean+std", 32)
    baselines.export(found, extractor.onnx_path, tmp_path / "baseline.onnx")
    answers = onnx_files.runner(tmp_path / "baseline.onnx")(pixels[16:])
    assert answers.shape == (8, 1)
    assert np.allclose(answers[:, 0], found.probabilities, atol=1e-4)
