"""`python -m benchmarks.run`: the speed and memory figures, measured on pictures made of noise; `--full` measures all of them.

It needs the pretrained weights (as `python -m training` finds them) and no data set but the sample, which it fetches. What is
compared runs in turns within this process, or as whole processes one after another. Writes benchmarks/results.json with every
repetition, and `--full` also writes benchmarks/RESULTS.md.
"""

import importlib.metadata
import json
import os
import platform
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import tyro
from PIL import Image

from benchmarks import collection, detecting, peers, reports, searching
from benchmarks.measuring import ROOT, Figure, markdown_table, show, timed, whole_process
from data_collection import console, manifest
from training import saved_models
from training.onnx_files import Runner

RESULTS, PAGE = ROOT / "benchmarks" / "results.json", ROOT / "benchmarks" / "RESULTS.md"

IMAGES, MORE_IMAGES = 220, 588
"""Of each class: 440 in all, 374 of them not in the hold-out; 1,176 and 1,000."""

BASES = ("mobilenet_v2", "xception")

DRIFT = 0.2
"""Change of the machine's own speed during the run beyond which its figures mean nothing."""

MULTIPLICATIONS = 300e6
"""Of MobileNetV2 for one picture of 224 px (Sandler et al. 2018, table 4); they grow with the picture's area."""

PACKAGES = ("tensorflow", "keras", "keras-tuner", "onnxruntime", "numpy", "torch")


@dataclass(frozen=True)
class Part:
    """A heading and what is measured under it, in a folder that all parts share."""

    title: str
    figures: Callable[[Path], list[Figure]]


def main(full: bool = False, again: str = "") -> int:
    """Measures what is promised of speed and memory.

    Args:
        full: everything, in about twenty minutes, and write benchmarks/RESULTS.md.
        again: heading of one part that `--full` adds, to measure it alone and put it into what the last `--full` wrote.
    """
    from training import quiet

    parts = [part for part in FULL if part.title == again] if again else [*QUICK, *(FULL if full else ())]
    if not parts:
        raise console.PlainError(f"--again {again} is no part of --full; there are: {'; '.join(part.title for part in FULL)}.")
    results = last() if again else Results()
    before = sgemm()
    with tempfile.TemporaryDirectory() as folder:
        quiet.start_keras()
        for part in parts:
            console.heading(part.title)
            results.figures[part.title] = part.figures(Path(folder))
            show(part.title, results.figures[part.title])
    after = sgemm()
    console.say(f"Matrix product before and after: {before:.0f} and {after:.0f} GFLOP/s.")
    results.sgemm_gflops[again] = [before, after]
    speeds = [speed for each in results.sgemm_gflops.values() for speed in each]
    drift = max(speeds) / min(speeds) - 1
    if drift > DRIFT:
        console.warn(f"The machine changed its speed by {drift:.0%} meanwhile; these figures are not kept.")
        return console.USAGE
    write(results, page=bool(full or again))
    return 0


@dataclass(frozen=True)
class Results:
    """What was found.

    Attributes:
        figures: by the heading of their part.
        sgemm_gflops: a matrix product's speed before and after the run (""), and each part that was measured again alone.
    """

    figures: dict[str, list[Figure]] = field(default_factory=dict)
    sgemm_gflops: dict[str, list[float]] = field(default_factory=dict)


def last() -> Results:
    """What is in RESULTS.

    Raises:
        PlainError: nothing, or only what is measured without `--full`.
    """
    read = json.loads(RESULTS.read_bytes()) if RESULTS.exists() else {"figures": {}}
    if not {part.title for part in FULL} <= read["figures"].keys():
        raise console.PlainError("There are no figures of --full to put it into; run that first.")
    figures = {title: [Figure(**each) for each in part] for title, part in read["figures"].items()}
    return Results(figures, read["sgemm_gflops"])


def write(results: Results, page: bool) -> None:
    versions = {name: importlib.metadata.version(name) for name in PACKAGES} | {"python": platform.python_version()}
    whole = {**asdict(results), "load": os.getloadavg(), "cores": os.cpu_count(), "versions": versions}
    manifest.write_whole(RESULTS, (json.dumps(whole, indent=1) + "\n").encode())
    if page:
        manifest.write_whole(PAGE, as_page(results, versions).encode())


def as_page(results: Results, versions: dict[str, str]) -> str:
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    speeds = {
        title: f"{before:.0f} GFLOP/s before and {after:.0f} after" for title, (before, after) in results.sgemm_gflops.items()
    }
    parts = [
        "# Speed and memory\n",
        "Written by `python -m benchmarks.run --full`. Ratios are medians of runs in turns within one process.\n",
        f"{os.cpu_count()} cores, a float32 matrix product of {speeds.pop('')}. {told}.\n",
        *(f"Measured once more, alone (`--again`): {title}, a matrix product of {speed}.\n" for title, speed in speeds.items()),
    ]
    kept = {True: "yes", False: "**no**", None: ""}
    for title, figures in results.figures.items():
        lines = [[each.name, f"{each.value:.3g} {each.unit}".strip(), each.promise, kept[each.kept]] for each in figures]
        parts += [f"## {title}\n", markdown_table(["figure", "measured", "promised", "kept"], lines)]
    return "\n".join(parts)


def sgemm(side: int = 2048) -> float:
    """Speed of a float32 matrix product in GFLOP/s: what this machine can do at this moment."""
    a = np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)
    return 2 * side**3 / min(timed(lambda: a @ a) for _ in range(15)) / 1e9


def noise_faces(place: Path, count: int = IMAGES) -> list[str]:
    """Writes JPEG photographs and PNG fakes of 512 px, the fakes with a faint grid; returns the words that collect them."""
    draw = np.random.default_rng(0)
    for label, suffix, options in (("real", "jpg", {"quality": 92}), ("generated", "png", {})):
        (place / label).mkdir(parents=True)
        for number in range(count):
            coarse = Image.fromarray(draw.integers(0, 255, (16, 16, 3), dtype=np.uint8))
            pixels = np.asarray(coarse.resize((512, 512), Image.Resampling.BICUBIC), dtype=np.float32)
            pixels = pixels + draw.normal(0, 6, pixels.shape)
            if label == "generated":
                pixels[::4] += 8
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(place / label / f"{number}.{suffix}", **options)
    sources = ["--real", f"folder:{place / 'real'}", "--generated", f"folder:{place / 'generated'}"]
    return ["data_collection", *sources, "--no-audit"]


def commands(place: Path) -> list[Figure]:
    collected, _ = whole_process(noise_faces(place), place)
    words = ["training", "--bases", "mobilenet_v2", "--name", "one-base"]
    searched, memory = whole_process(words, place)
    return [
        Figure(f"collect {2 * IMAGES} images of 512 px", collected, "s"),
        Figure("training: 30 trials, MobileNetV2 at 224 px, extraction included", searched, "s"),
        Figure("peak resident memory of that training", memory, "GB"),
    ]


def detection(place: Path) -> list[Figure]:
    return detecting.figures(saved_models.find(place / "saved_models", Path("one-base")), place / "real")


def extraction(place: Path, side: int = 160) -> list[Figure]:
    """MobileNetV2 in Keras and in ONNX Runtime: the base alone as it is usually used, with all its taps, and from the files."""
    import keras

    from training import base_models, base_weights, onnx_files
    from training.feature_cache import Extractor

    weights = base_weights.find("mobilenet_v2")
    base = base_weights.load(weights)
    pixels = keras.Input((side, side, 3))
    scaled = base_models.preprocessed(pixels, "mobilenet_v2")
    alone = keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(base(scaled, training=False)))
    onnx_files.export(alone, place / "alone.onnx")
    tapped = {engine: Extractor(weights, (side,), side, engine) for engine in ("keras", "onnxruntime")}
    both = in_turns("MobileNetV2, the base alone", side, alone.predict_on_batch, onnx_files.streams(place / "alone.onnx"), 2)
    work = 2 * MULTIPLICATIONS * (side / 224) ** 2 * both[1].value / 1e9
    return [
        *both,
        Figure(f"MobileNetV2, the base alone at {side} px: share of a matrix product's speed", work / sgemm(), least=0.7),
        *in_turns("MobileNetV2, all taps", side, tapped["keras"].run, tapped["onnxruntime"].run, None),
        *from_files(place, tapped["onnxruntime"]),
    ]


def in_turns(what: str, side: int, slow: Runner, fast: Runner, least: float | None, rounds: int = 11) -> list[Figure]:
    """Runs both on the same batch, alternately; the ratio is the median of the rounds' ratios."""
    batch = np.random.default_rng(0).uniform(0, 255, (32, side, side, 3)).astype(np.float32)
    difference = float(np.abs(np.asarray(slow(batch)) - fast(batch)).max())
    seconds = [(timed(lambda: slow(batch)), timed(lambda: fast(batch))) for _ in range(rounds)]
    ratios = tuple(one / other for one, other in seconds)
    name = f"{what} at {side} px"
    return [
        Figure(f"{name}: ONNX Runtime over predict_on_batch", statistics.median(ratios), "x", least, repetitions=ratios),
        Figure(f"{name}: images per second", 32 / statistics.median(other for _, other in seconds)),
        Figure(f"{name}: largest difference of a feature", difference, most=1e-4),
    ]


def from_files(place: Path, extractor, turns: int = 3) -> list[Figure]:
    """Decoding, canonical pictures, the base, and the cache, beside the base alone; and ten times as many images."""
    from training import feature_cache
    from training.dataset import read

    data = read(place / "data", Path("faces"))
    records = (data.train + data.validation)[:330]
    batch = np.random.default_rng(0).uniform(0, 255, (64, extractor.side, extractor.side, 3)).astype(np.float32)

    def cold(count: int) -> float:
        with tempfile.TemporaryDirectory(dir=place) as folder:
            copy = Path(folder)
            (copy / "originals").symlink_to(data.folder.absolute() / "originals")
            return timed(lambda: feature_cache.features(copy, records[:count], extractor, 1))

    rounds = [(cold(330), cold(33), timed(lambda: [extractor.run(batch) for _ in range(5)]) / 320) for _ in range(turns)]
    shares = tuple(330 * raw / whole for whole, _, raw in rounds)
    growth = tuple(whole / few for whole, few, _ in rounds)
    return [
        Figure(
            "MobileNetV2, all taps, from files of 512 px: images per second",
            330 / statistics.median(whole for whole, *_ in rounds),
        ),
        Figure("the same as a share of the base's rate", statistics.median(shares), least=0.9, repetitions=shares),
        Figure("time for ten times as many images", statistics.median(growth), "x", most=10.5, repetitions=growth),
    ]


def search(place: Path) -> list[Figure]:
    return searching.figures(place / "search", place / "data" / "faces")


def longer_search(place: Path) -> list[Figure]:
    more = place / "more"
    whole_process(noise_faces(more, MORE_IMAGES), more)
    return searching.longer_figures(more / "search", more / "data" / "faces")


def fine_tuning(_: Path) -> list[Figure]:
    from benchmarks import boundaries  # which imports Keras

    return boundaries.figures()


def both_bases(place: Path) -> list[Figure]:
    """The whole training, and the usual search: two epochs of one trial with the base inside the model, extrapolated to the
    epochs of our 30 trials."""
    from training import base_weights
    from training.dataset import read
    from training.feature_cache import Extractor

    words = ["training", "--name", "two-bases"]
    searched, memory = whole_process(words, place)
    data = read(place / "data", Path("faces"))
    usual = {base: searching.usual_trial(data, base, 224) for base in BASES}
    lines = (place / "saved_models" / "two-bases" / "leaderboard.jsonl").read_text().splitlines()
    trials = [json.loads(line) for line in lines]
    seconds = sum(usual[trial["base"]].seconds(trial["tuner/epochs"] - trial["tuner/initial_epoch"]) for trial in trials)
    again, _ = whole_process(["training", "--name", "again"], place)
    xception = {e: Extractor(base_weights.find("xception"), (160,), 160, e).run for e in ("keras", "onnxruntime")}
    return [
        Figure("training: 30 trials, two bases at 224 px, MobileNetV2's features cached", searched, "s", most=300),
        Figure("peak resident memory of that training", memory, "GB", most=2.5),
        Figure("the same training again, from the cache", again, "s"),
        *(Figure(f"one epoch of the usual search, {base}", each.later, "s") for base, each in usual.items()),
        Figure("the usual search over our whole training (extrapolated)", seconds / searched, "x", least=20),
        *in_turns("Xception, all taps", 160, xception["keras"], xception["onnxruntime"], 1.3, rounds=3)[:2],
    ]


def sample_peers(place: Path) -> list[Figure]:
    whole_process(["data_collection", "--recipe", "sample"], place)
    return peers.figures(place / "data" / "sample")


def million_rows(place: Path) -> list[Figure]:
    whole_process(["benchmarks.scale", "--place", str(place), "--out", str(place / "scale.json")], place)
    return [Figure(**each) for each in json.loads((place / "scale.json").read_bytes())]


QUICK = (
    Part("The commands, as whole processes", commands),
    Part("Detection", detection),
    Part("Extraction: Keras and ONNX Runtime in turns", extraction),
    Part("The search: many heads at once, one by one, and the usual way", search),
)
FULL = (
    Part("The search of more images for longer, and the usual way", longer_search),
    Part("Fine-tuning: the whole model and its cached activations in turns", fine_tuning),
    Part("Two bases, and the usual search: frozen base inside the model", both_bases),
    Part("Collection and audit", collection.figures),
    Part("Validation", reports.figures),
    Part("Beside the usual way to fine-tune, on the sample data set, which any network learns", sample_peers),
    Part("A search over a million rows on disk", million_rows),
)

if __name__ == "__main__":
    console.run(lambda: tyro.cli(main, prog="python -m benchmarks.run"))
