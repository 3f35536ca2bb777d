"""`python -m benchmarks.run`: the speed and memory figures, measured on pictures made of noise, in about fourteen minutes.

It needs the pretrained weights (as `python -m training` finds them) and no data set. What is compared runs in turns within
this process, or as whole processes one after another. Writes benchmarks/results.json.
"""

import json
import os
import platform
import statistics
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import boundaries, collection, detecting, reports, searching
from benchmarks.measuring import ROOT, Figure, show, timed, whole_process
from data_collection import console, manifest
from training import saved_models
from training.onnx_files import Runner

RESULTS = ROOT / "benchmarks" / "results.json"

IMAGES = 220
"""Of each class: 440 in all."""

BASES = ("mobilenet_v2", "xception")

DRIFT = 0.2
"""Change of the machine's own speed during the run beyond which its figures mean nothing."""


def main() -> int:
    from training import quiet

    before = sgemm()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        console.heading("The commands, as whole processes")
        figures = commands(place)
        console.heading("Collection and audit")
        figures += collection.figures(place)
        console.heading("Validation")
        figures += reports.figures(place)
        quiet.start_keras()
        console.heading("Extraction: Keras and ONNX Runtime in turns")
        figures += extraction(place)
        console.heading("The search: many heads at once, one by one, and the usual way")
        figures += searching.figures(place / "search", place / "data" / "faces")
        console.heading("Fine-tuning: the whole model and its cached activations in turns")
        figures += boundaries.figures()
        console.heading("The usual search: frozen base inside the model, one trial of two epochs per base")
        figures += usual_search(place, seconds=figures[1].value)
    after = sgemm()
    drift = abs(after / before - 1)
    write(figures, before, after)
    show("Benchmark", figures)
    console.say(f"Matrix product before and after: {before:.0f} and {after:.0f} GFLOP/s.")
    if drift > DRIFT:
        console.warn(f"The machine changed its speed by {drift:.0%} meanwhile; these figures are not to be trusted.")
        return console.USAGE
    return 0


def write(figures: list[Figure], before: float, after: float) -> None:
    result = {
        "figures": [asdict(figure) for figure in figures],
        "sgemm_gflops": [before, after],
        "load": os.getloadavg(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    manifest.write_whole(RESULTS, (json.dumps(result, indent=1) + "\n").encode())


def sgemm(side: int = 2048) -> float:
    """Speed of a float32 matrix product in GFLOP/s: what this machine can do at this moment."""
    a = np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)
    return 2 * side**3 / min(timed(lambda: a @ a) for _ in range(15)) / 1e9


def noise_faces(place: Path) -> None:
    """Writes JPEG photographs and PNG fakes of 512 px, the fakes with a faint grid."""
    draw = np.random.default_rng(0)
    for label, suffix, options in (("real", "jpg", {"quality": 92}), ("generated", "png", {})):
        (place / label).mkdir()
        for number in range(IMAGES):
            coarse = Image.fromarray(draw.integers(0, 255, (16, 16, 3), dtype=np.uint8))
            pixels = np.asarray(coarse.resize((512, 512), Image.Resampling.BICUBIC), dtype=np.float32)
            pixels = pixels + draw.normal(0, 6, pixels.shape)
            if label == "generated":
                pixels[::4] += 8
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(place / label / f"{number}.{suffix}", **options)


def commands(place: Path) -> list[Figure]:
    noise_faces(place)
    sources = ["--real", f"folder:{place / 'real'}", "--generated", f"folder:{place / 'generated'}"]
    collected, _ = whole_process(["data_collection", *sources, "--no-audit"], place)
    searched, memory = whole_process(["training"], place)
    again, _ = whole_process(["training"], place)
    return [
        Figure(f"collect {2 * IMAGES} images of 512 px", collected, "s"),
        Figure("training: 30 trials, two bases at 224 px, extraction included", searched, "s", most=300),
        Figure("peak resident memory of that training", memory, "GB", most=2.5),
        Figure("the same training again, from the cache", again, "s"),
        *detecting.figures(saved_models.find(place / "saved_models", None), place / "real"),
    ]


def extraction(place: Path, side: int = 160) -> list[Figure]:
    """MobileNetV2 in Keras and in ONNX Runtime: the base alone as it is usually used, and with all its taps."""
    import keras

    from training import base_models, base_weights, onnx_files
    from training.feature_cache import Extractor

    weights = base_weights.find("mobilenet_v2")
    base = base_weights.load(weights)
    pixels = keras.Input((side, side, 3))
    scaled = base_models.preprocessed(pixels, "mobilenet_v2")
    alone = keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(base(scaled, training=False)))
    onnx_files.export(alone, place / "alone.onnx")
    tapped = {engine: Extractor(weights, (side,), side, engine).run for engine in ("keras", "onnxruntime")}
    return [
        *in_turns("the base alone", side, alone.predict_on_batch, onnx_files.streams(place / "alone.onnx"), least=2),
        *in_turns("all taps", side, tapped["keras"], tapped["onnxruntime"], least=None),
    ]


def in_turns(what: str, side: int, slow: Runner, fast: Runner, least: float | None, rounds: int = 11) -> list[Figure]:
    """Runs both on the same batch, alternately; the ratio is the median of the rounds' ratios."""
    batch = np.random.default_rng(0).uniform(0, 255, (32, side, side, 3)).astype(np.float32)
    difference = float(np.abs(np.asarray(slow(batch)) - fast(batch)).max())
    seconds = [(timed(lambda: slow(batch)), timed(lambda: fast(batch))) for _ in range(rounds)]
    ratios = tuple(one / other for one, other in seconds)
    name = f"extraction, MobileNetV2 at {side} px, {what}"
    return [
        Figure(f"{name}: ONNX Runtime over predict_on_batch", statistics.median(ratios), "x", least, repetitions=ratios),
        Figure(f"{name}: images per second", 32 / statistics.median(other for _, other in seconds)),
        Figure(f"{name}: largest difference of a feature", difference, most=1e-4),
    ]


def usual_search(place: Path, seconds: float) -> list[Figure]:
    """Times two epochs of one trial with the base inside the model, and extrapolates to the epochs of our 30 trials."""
    from training.dataset import read

    data = read(place / "data", Path("faces"))
    epoch = {base: searching.usual_epoch(data, base, 224) for base in BASES}
    leaderboard = next((place / "saved_models").glob("*/leaderboard.jsonl"))
    trials = [json.loads(line) for line in leaderboard.read_text().splitlines()]
    extrapolated = sum((trial["tuner/epochs"] - trial["tuner/initial_epoch"]) * epoch[trial["base"]] for trial in trials)
    figures = [Figure(f"one epoch of the usual search, {base}", value, "s") for base, value in epoch.items()]
    return [
        *figures,
        Figure("the usual search over our whole training (extrapolated)", extrapolated / seconds, "x", least=20),
    ]


if __name__ == "__main__":
    console.run(main)
