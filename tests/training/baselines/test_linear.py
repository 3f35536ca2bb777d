"""Linear baselines: what they learn, and that their ONNX detectors give the same probabilities."""

import numpy as np
import pytest

from data_collection.dataset.manifest import FaceRecord
from toys.features import FEATURE_WIDTH, make_toy_features
from training.baselines import linear
from training.bases import weights
from training.features.extractor import Extractor
from training.features.training_features import SplitFeatures, TrainingFeatures
from training.onnx_files import onnx_models


def make_records(count: int) -> list[FaceRecord]:
    """Make photographs as JPEG of any size and generated images as PNG of one size, as is usual."""
    generator = np.random.default_rng(0)
    rows = []
    for number in range(count):
        generated = number % 2
        side = 512 if generated else int(generator.integers(300, 2000))
        label, format = ("generated", "PNG") if generated else ("real", "JPEG")
        rows.append(
            FaceRecord(
                id=str(number),
                label=label,
                source="s",
                file="f",
                status="accepted",
                format=format,
                mode="RGB",
                width=side,
                height=side,
                bytes=99,
            )
        )
    return rows


def test_the_majority_knows_only_the_share():
    baseline = linear.make_majority_baseline(np.array([1, 1, 1, 0]), 3)
    assert baseline.probabilities.tolist() == [0.75] * 3


def test_metadata_alone_gives_a_careless_collection_away():
    rows = make_records(80)
    labels = np.array([row.label == "generated" for row in rows])
    baseline = linear.fit_metadata_baseline(rows[:40], rows[40:], labels[:40])
    assert np.all((baseline.probabilities > 0.5) == labels[40:])


@pytest.mark.parametrize(
    ("taps", "statistics", "width"),
    [("top", ("mean",), 2), ("all", ("mean", "std"), FEATURE_WIDTH // 2)],
)
def test_logistic_regression_uses_its_columns_only_and_learns(taps, statistics, width):
    features = make_toy_features()
    baseline = linear.fit_logistic_baseline(
        "name", "base", features, taps=taps, statistics=statistics, size=32
    )
    assert np.count_nonzero(baseline.weights) == width
    accuracy = np.mean((baseline.probabilities > 0.5) == features.validation.labels)
    assert accuracy > 0.9 if taps == "all" else accuracy < 0.9  # the toy's top tap is pure noise


def test_an_exported_baseline_answers_as_it_did_in_training(tmp_path, cache):
    extractor = Extractor(weights.find_base_weights("mobilenet_v2", "random"), (32,), 32)
    pixels = np.random.default_rng(0).uniform(0, 255, (24, 32, 32, 3)).astype(np.float32)
    values = extractor.run(pixels)[:, None]
    labels = np.arange(24) % 2
    features = TrainingFeatures(
        extractor.columns,
        SplitFeatures(values[:16], labels[:16]),
        SplitFeatures(values[16:], labels[16:], judged=values[16:]),
    )
    baseline = linear.fit_logistic_baseline(
        "all", "mobilenet_v2", features, taps="all", statistics=("mean", "std"), size=32
    )
    linear.export_linear_baseline(baseline, extractor.onnx_path, tmp_path / "baseline.onnx")
    answers = onnx_models.open_onnx(tmp_path / "baseline.onnx")(pixels[16:])
    assert answers.shape == (8, 1)
    assert np.allclose(answers[:, 0], baseline.probabilities, atol=1e-4)
