"""Measure feature extraction: Keras and ONNX Runtime in turns on one batch, and from files."""

import statistics
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.measuring import Measurement, measure_seconds, measure_sgemm_gflops
from training.onnx_files.onnx_models import OnnxRunner

MOBILENET_V2_MULTIPLICATIONS = 300e6
"""Multiplications of MobileNetV2 for one image of 224 px (Sandler et al. 2018, table 4); they grow
with the image's area."""


def measure_extraction(work_folder: Path, side: int = 160) -> list[Measurement]:
    """Measure MobileNetV2 in both engines: the base alone, with all taps, and from files."""
    import keras

    from training.bases import loaded_base
    from training.bases import weights as base_weights
    from training.features.extractor import Extractor
    from training.onnx_files import onnx_export, onnx_models

    weights = base_weights.find_base_weights("mobilenet_v2")
    base = loaded_base.load_base(weights)
    pixels = keras.Input((side, side, 3))
    scaled = base.preprocess(pixels)
    base_model = keras.Model(
        pixels, keras.layers.GlobalAveragePooling2D()(base.model(scaled, training=False))
    )
    onnx_export.export_onnx(base_model, work_folder / "alone.onnx")
    tapped = {
        engine: Extractor(weights, (side,), side, engine) for engine in ("keras", "onnxruntime")
    }
    base_measurements = compare_runners(
        "MobileNetV2, the base alone",
        side,
        base_model.predict_on_batch,
        onnx_models.open_onnx_streams(work_folder / "alone.onnx"),
        2,
    )
    gflops = 2 * MOBILENET_V2_MULTIPLICATIONS * (side / 224) ** 2 * base_measurements[1].value / 1e9
    return [
        *base_measurements,
        Measurement(
            f"MobileNetV2, the base alone at {side} px: share of a matrix product's speed",
            gflops / measure_sgemm_gflops(),
            promised_min=0.7,
        ),
        *compare_runners(
            "MobileNetV2, all taps", side, tapped["keras"].run, tapped["onnxruntime"].run, None
        ),
        *measure_extraction_from_files(work_folder, tapped["onnxruntime"]),
    ]


def compare_runners(
    name: str,
    side: int,
    slow: OnnxRunner,
    fast: OnnxRunner,
    promised_min: float | None,
    rounds: int = 11,
) -> list[Measurement]:
    """Run both on the same batch in turns; the ratio is the median of the rounds' ratios."""
    batch = np.random.default_rng(0).uniform(0, 255, (32, side, side, 3)).astype(np.float32)
    difference = float(np.abs(np.asarray(slow(batch)) - fast(batch)).max())
    seconds = [
        (measure_seconds(lambda: slow(batch)), measure_seconds(lambda: fast(batch)))
        for _ in range(rounds)
    ]
    ratios = tuple(slow_s / fast_s for slow_s, fast_s in seconds)
    name = f"{name} at {side} px"
    return [
        Measurement(
            f"{name}: ONNX Runtime over predict_on_batch",
            statistics.median(ratios),
            "x",
            promised_min=promised_min,
            repetitions=ratios,
        ),
        Measurement(
            f"{name}: images per second", 32 / statistics.median(fast_s for _, fast_s in seconds)
        ),
        Measurement(f"{name}: largest difference of a feature", difference, promised_max=1e-4),
    ]


def measure_extraction_from_files(
    work_folder: Path, extractor, turns: int = 3
) -> list[Measurement]:
    """Measure decoding, canonical pictures, the base and the cache, against the base alone.

    Also measure how the time grows with ten times as many images.
    """
    from training.dataset import load_dataset
    from training.features import feature_cache

    data = load_dataset(work_folder / "data", Path("faces"))
    records = (data.train + data.validation)[:330]
    batch = (
        np.random.default_rng(0)
        .uniform(0, 255, (64, extractor.side, extractor.side, 3))
        .astype(np.float32)
    )

    def measure_uncached(count: int) -> float:
        with tempfile.TemporaryDirectory(dir=work_folder) as folder:
            copy = Path(folder)
            (copy / "originals").symlink_to(data.folder.absolute() / "originals")
            return measure_seconds(
                lambda: feature_cache.load_or_compute_features(
                    copy, records[:count], extractor, [0]
                )
            )

    rounds = [
        (
            measure_uncached(330),
            measure_uncached(33),
            measure_seconds(lambda: [extractor.run(batch) for _ in range(5)]) / 320,
        )
        for _ in range(turns)
    ]
    shares = tuple(330 * base_s / all_s for all_s, _, base_s in rounds)
    growth = tuple(all_s / tenth_s for all_s, tenth_s, _ in rounds)
    return [
        Measurement(
            "MobileNetV2, all taps, from files of 512 px: images per second",
            330 / statistics.median(all_s for all_s, *_ in rounds),
        ),
        Measurement(
            "the same as a share of the base's rate",
            statistics.median(shares),
            promised_min=0.9,
            repetitions=shares,
        ),
        Measurement(
            "time for ten times as many images",
            statistics.median(growth),
            "x",
            promised_max=10.5,
            repetitions=growth,
        ),
    ]
