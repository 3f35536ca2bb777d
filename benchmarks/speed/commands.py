"""Measure the commands as whole processes, on images of noise in a folder that all parts share."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.measuring import Measurement, measure_process
from benchmarks.speed import detecting, peers, searching
from benchmarks.speed.extraction import compare_runners
from training.detectors import saved_models

IMAGES_PER_CLASS, LONG_SEARCH_IMAGES_PER_CLASS = 220, 588
"""Both give round sets: 440 images, 374 of them outside the hold-out; 1,176 and 1,000."""


MEASURED_BASES = ("mobilenet_v2", "xception")


def write_noise_faces(work_folder: Path, count: int = IMAGES_PER_CLASS) -> list[str]:
    """Write JPEGs (real) and PNGs with a faint grid (generated) of 512 px.

    Returns:
        The arguments of `python -m` that collect them.
    """
    rng = np.random.default_rng(0)
    for label, suffix, options in (("real", "jpg", {"quality": 92}), ("generated", "png", {})):
        (work_folder / label).mkdir(parents=True)
        for number in range(count):
            coarse = Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8))
            pixels = np.asarray(
                coarse.resize((512, 512), Image.Resampling.BICUBIC), dtype=np.float32
            )
            pixels = pixels + rng.normal(0, 6, pixels.shape)
            if label == "generated":
                pixels[::4] += 8
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(
                work_folder / label / f"{number}.{suffix}", **options
            )
    sources = [
        "--real",
        f"folder:{work_folder / 'real'}",
        "--generated",
        f"folder:{work_folder / 'generated'}",
    ]
    return ["data_collection", *sources, "--no-audit"]


def measure_commands(work_folder: Path) -> list[Measurement]:
    collect_seconds, _ = measure_process(write_noise_faces(work_folder), work_folder)
    words = ["training", "--bases", "mobilenet_v2", "--name", "one-base"]
    training_seconds, memory = measure_process(words, work_folder)
    return [
        Measurement(f"collect {2 * IMAGES_PER_CLASS} images of 512 px", collect_seconds, "s"),
        Measurement(
            "training: 30 trials, MobileNetV2 at 224 px, extraction included", training_seconds, "s"
        ),
        Measurement("peak resident memory of that training", memory, "GB"),
    ]


def measure_trained_detector(work_folder: Path) -> list[Measurement]:
    return detecting.measure_detection(
        saved_models.find_detector(work_folder / "saved_models", Path("one-base")),
        work_folder / "real",
    )


def measure_shorter_search(work_folder: Path) -> list[Measurement]:
    return searching.measure_short_search(work_folder / "search", work_folder / "data" / "faces")


def measure_longer_search(work_folder: Path) -> list[Measurement]:
    long_folder = work_folder / "more"
    measure_process(write_noise_faces(long_folder, LONG_SEARCH_IMAGES_PER_CLASS), long_folder)
    return searching.measure_long_search(long_folder / "search", long_folder / "data" / "faces")


def measure_fine_tuning_speed(_: Path) -> list[Measurement]:
    from benchmarks.speed import fine_tuning  # it imports Keras

    return fine_tuning.measure_fine_tuning()


def measure_two_base_training(work_folder: Path) -> list[Measurement]:
    """Measure a whole training, and the same trials with the frozen base inside the model.

    The latter is extrapolated from two epochs of one trial to the epochs of our 30 trials.
    """
    from training.bases import weights as base_weights
    from training.dataset import load_dataset
    from training.features.extractor import Extractor

    words = ["training", "--name", "two-bases"]
    training_seconds, memory = measure_process(words, work_folder)
    data = load_dataset(work_folder / "data", Path("faces"))
    uncached_times = {
        base: searching.measure_uncached_trial(data, base, 224) for base in MEASURED_BASES
    }
    lines = (
        (work_folder / "saved_models" / "two-bases" / "leaderboard.jsonl").read_text().splitlines()
    )
    trials = [json.loads(line) for line in lines]
    uncached_seconds = sum(
        uncached_times[trial["base"]].estimate_seconds(
            trial["tuner/epochs"] - trial["tuner/initial_epoch"]
        )
        for trial in trials
    )
    cached_seconds, _ = measure_process(["training", "--name", "again"], work_folder)
    xception = {
        engine: Extractor(base_weights.find_base_weights("xception"), (160,), 160, engine).run
        for engine in ("keras", "onnxruntime")
    }
    return [
        Measurement(
            "training: 30 trials, two bases at 224 px, MobileNetV2's features cached",
            training_seconds,
            "s",
            promised_max=300,
        ),
        Measurement("peak resident memory of that training", memory, "GB", promised_max=2.5),
        Measurement("the same training again, from the cache", cached_seconds, "s"),
        *(
            Measurement(
                f"one epoch with the base inside the model, {base}", time.later_epoch_s, "s"
            )
            for base, time in uncached_times.items()
        ),
        Measurement(
            "the same with the base inside the model, over our whole training (extrapolated)",
            uncached_seconds / training_seconds,
            "x",
            promised_min=20,
        ),
        *compare_runners(
            "Xception, all taps", 160, xception["keras"], xception["onnxruntime"], 1.3, rounds=3
        )[:2],
    ]


def measure_sample_peers(work_folder: Path) -> list[Measurement]:
    measure_process(["data_collection", "--recipe", "sample"], work_folder)
    return peers.measure_peers(work_folder / "data" / "sample")


def measure_million_rows(work_folder: Path) -> list[Measurement]:
    measure_process(
        [
            "benchmarks.speed.scale",
            "--work-folder",
            str(work_folder),
            "--out",
            str(work_folder / "scale.json"),
        ],
        work_folder,
    )
    return [
        Measurement(**values) for values in json.loads((work_folder / "scale.json").read_bytes())
    ]
