"""Measure feature extraction: Keras and ONNX Runtime in turns on one batch, and from files through
the cache."""

import statistics
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.measuring import Measurement, measure_seconds, measure_sgemm_gflops
from training.onnx_models import OnnxRunner

MOBILENET_V2_MULTIPLICATIONS = 300e6
"""Of MobileNetV2 for one picture of 224 px (Sandler et al. 2018, table 4); they grow with the
picture's area."""


def measure_extraction(place: Path, side: int = 160) -> list[Measurement]:
    """MobileNetV2 in Keras and in ONNX Runtime: the base alone as it is usually used, with all its
    taps, and from the files."""
    import keras

    from training import onnx_models
    from training.bases import loaded_base
    from training.bases import weights as base_weights
    from training.features.extractor import Extractor

    weights = base_weights.find_base_weights("mobilenet_v2")
    base = loaded_base.load_base(weights)
    pixels = keras.Input((side, side, 3))
    scaled = base.preprocess(pixels)
    alone = keras.Model(
        pixels, keras.layers.GlobalAveragePooling2D()(base.model(scaled, training=False))
    )
    onnx_models.export_onnx(alone, place / "alone.onnx")
    tapped = {
        engine: Extractor(weights, (side,), side, engine) for engine in ("keras", "onnxruntime")
    }
    both = compare_runners(
        "MobileNetV2, the base alone",
        side,
        alone.predict_on_batch,
        onnx_models.open_onnx_streams(place / "alone.onnx"),
        2,
    )
    work = 2 * MOBILENET_V2_MULTIPLICATIONS * (side / 224) ** 2 * both[1].value / 1e9
    return [
        *both,
        Measurement(
            f"MobileNetV2, the base alone at {side} px: share of a matrix product's speed",
            work / measure_sgemm_gflops(),
            least=0.7,
        ),
        *compare_runners(
            "MobileNetV2, all taps", side, tapped["keras"].run, tapped["onnxruntime"].run, None
        ),
        *measure_extraction_from_files(place, tapped["onnxruntime"]),
    ]


def compare_runners(
    what: str, side: int, slow: OnnxRunner, fast: OnnxRunner, least: float | None, rounds: int = 11
) -> list[Measurement]:
    """Runs both on the same batch, alternately; the ratio is the median of the rounds' ratios."""
    batch = np.random.default_rng(0).uniform(0, 255, (32, side, side, 3)).astype(np.float32)
    difference = float(np.abs(np.asarray(slow(batch)) - fast(batch)).max())
    seconds = [
        (measure_seconds(lambda: slow(batch)), measure_seconds(lambda: fast(batch)))
        for _ in range(rounds)
    ]
    ratios = tuple(one / other for one, other in seconds)
    name = f"{what} at {side} px"
    return [
        Measurement(
            f"{name}: ONNX Runtime over predict_on_batch",
            statistics.median(ratios),
            "x",
            least,
            repetitions=ratios,
        ),
        Measurement(
            f"{name}: images per second", 32 / statistics.median(other for _, other in seconds)
        ),
        Measurement(f"{name}: largest difference of a feature", difference, most=1e-4),
    ]


def measure_extraction_from_files(place: Path, extractor, turns: int = 3) -> list[Measurement]:
    """Decoding, canonical pictures, the base, and the cache, beside the base alone; and ten times
    as many images."""
    from training.dataset import load_dataset
    from training.features import feature_cache

    data = load_dataset(place / "data", Path("faces"))
    records = (data.train + data.validation)[:330]
    batch = (
        np.random.default_rng(0)
        .uniform(0, 255, (64, extractor.side, extractor.side, 3))
        .astype(np.float32)
    )

    def cold(count: int) -> float:
        with tempfile.TemporaryDirectory(dir=place) as folder:
            copy = Path(folder)
            (copy / "originals").symlink_to(data.folder.absolute() / "originals")
            return measure_seconds(
                lambda: feature_cache.load_or_compute_features(copy, records[:count], extractor, 1)
            )

    rounds = [
        (
            cold(330),
            cold(33),
            measure_seconds(lambda: [extractor.run(batch) for _ in range(5)]) / 320,
        )
        for _ in range(turns)
    ]
    shares = tuple(330 * raw / whole for whole, _, raw in rounds)
    growth = tuple(whole / few for whole, few, _ in rounds)
    return [
        Measurement(
            "MobileNetV2, all taps, from files of 512 px: images per second",
            330 / statistics.median(whole for whole, *_ in rounds),
        ),
        Measurement(
            "the same as a share of the base's rate",
            statistics.median(shares),
            least=0.9,
            repetitions=shares,
        ),
        Measurement(
            "time for ten times as many images",
            statistics.median(growth),
            "x",
            most=10.5,
            repetitions=growth,
        ),
    ]
