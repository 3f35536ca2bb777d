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
"""Of each class: 440 in all, 374 of them not in the hold-out; 1,176 and 1,000."""


MEASURED_BASES = ("mobilenet_v2", "xception")


def write_noise_faces(place: Path, count: int = IMAGES_PER_CLASS) -> list[str]:
    """Writes JPEG photographs and PNG fakes of 512 px, the fakes with a faint grid; returns the
    words that collect them."""
    draw = np.random.default_rng(0)
    for label, suffix, options in (("real", "jpg", {"quality": 92}), ("generated", "png", {})):
        (place / label).mkdir(parents=True)
        for number in range(count):
            coarse = Image.fromarray(draw.integers(0, 255, (16, 16, 3), dtype=np.uint8))
            pixels = np.asarray(
                coarse.resize((512, 512), Image.Resampling.BICUBIC), dtype=np.float32
            )
            pixels = pixels + draw.normal(0, 6, pixels.shape)
            if label == "generated":
                pixels[::4] += 8
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(
                place / label / f"{number}.{suffix}", **options
            )
    sources = ["--real", f"folder:{place / 'real'}", "--generated", f"folder:{place / 'generated'}"]
    return ["data_collection", *sources, "--no-audit"]


def measure_commands(place: Path) -> list[Measurement]:
    collected, _ = measure_process(write_noise_faces(place), place)
    words = ["training", "--bases", "mobilenet_v2", "--name", "one-base"]
    searched, memory = measure_process(words, place)
    return [
        Measurement(f"collect {2 * IMAGES_PER_CLASS} images of 512 px", collected, "s"),
        Measurement(
            "training: 30 trials, MobileNetV2 at 224 px, extraction included", searched, "s"
        ),
        Measurement("peak resident memory of that training", memory, "GB"),
    ]


def measure_trained_detector(place: Path) -> list[Measurement]:
    return detecting.measure_detection(
        saved_models.find_detector(place / "saved_models", Path("one-base")), place / "real"
    )


def measure_usual_search(place: Path) -> list[Measurement]:
    return searching.measure_short_search(place / "search", place / "data" / "faces")


def measure_longer_search(place: Path) -> list[Measurement]:
    more = place / "more"
    measure_process(write_noise_faces(more, LONG_SEARCH_IMAGES_PER_CLASS), more)
    return searching.measure_long_search(more / "search", more / "data" / "faces")


def measure_fine_tuning_speed(_: Path) -> list[Measurement]:
    from benchmarks.speed import fine_tuning as boundaries  # which imports Keras

    return boundaries.measure_fine_tuning()


def measure_two_base_training(place: Path) -> list[Measurement]:
    """The whole training, and the usual search: two epochs of one trial with the base inside the
    model, extrapolated to the epochs of our 30 trials."""
    from training.bases import weights as base_weights
    from training.dataset import load_dataset
    from training.features.extractor import Extractor

    words = ["training", "--name", "two-bases"]
    searched, memory = measure_process(words, place)
    data = load_dataset(place / "data", Path("faces"))
    usual = {base: searching.measure_uncached_trial(data, base, 224) for base in MEASURED_BASES}
    lines = (place / "saved_models" / "two-bases" / "leaderboard.jsonl").read_text().splitlines()
    trials = [json.loads(line) for line in lines]
    seconds = sum(
        usual[trial["base"]].seconds(trial["tuner/epochs"] - trial["tuner/initial_epoch"])
        for trial in trials
    )
    again, _ = measure_process(["training", "--name", "again"], place)
    xception = {
        e: Extractor(base_weights.find_base_weights("xception"), (160,), 160, e).run
        for e in ("keras", "onnxruntime")
    }
    return [
        Measurement(
            "training: 30 trials, two bases at 224 px, MobileNetV2's features cached",
            searched,
            "s",
            most=300,
        ),
        Measurement("peak resident memory of that training", memory, "GB", most=2.5),
        Measurement("the same training again, from the cache", again, "s"),
        *(
            Measurement(f"one epoch of the usual search, {base}", each.later, "s")
            for base, each in usual.items()
        ),
        Measurement(
            "the usual search over our whole training (extrapolated)",
            seconds / searched,
            "x",
            least=20,
        ),
        *compare_runners(
            "Xception, all taps", 160, xception["keras"], xception["onnxruntime"], 1.3, rounds=3
        )[:2],
    ]


def measure_sample_peers(place: Path) -> list[Measurement]:
    measure_process(["data_collection", "--recipe", "sample"], place)
    return peers.measure_peers(place / "data" / "sample")


def measure_million_rows(place: Path) -> list[Measurement]:
    measure_process(
        ["benchmarks.speed.scale", "--place", str(place), "--out", str(place / "scale.json")], place
    )
    return [Measurement(**each) for each in json.loads((place / "scale.json").read_bytes())]
