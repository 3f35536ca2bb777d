"""Measure speed and memory on images made of noise: `python -m benchmarks.run`; `--full` measures
everything.

It needs the pretrained weights (as `python -m training` finds them) and no data set but the sample,
which it fetches. Compared variants run in turns within this process, or as whole processes one
after another. Every run writes benchmarks/results.json with all repetitions; `--full` also writes
benchmarks/RESULTS.md.
"""

import importlib.metadata
import json
import os
import platform
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import tyro

from benchmarks.measuring import (
    REPOSITORY_ROOT,
    Measurement,
    measure_sgemm_gflops,
    print_measurements,
    render_markdown_table,
)
from benchmarks.speed import collection, validation_report
from benchmarks.speed.commands import (
    measure_commands,
    measure_fine_tuning_speed,
    measure_longer_search,
    measure_million_rows,
    measure_sample_peers,
    measure_shorter_search,
    measure_trained_detector,
    measure_two_base_training,
)
from benchmarks.speed.extraction import measure_extraction
from runtime import atomic_files, console

RESULTS_FILE, RESULTS_PAGE = (
    REPOSITORY_ROOT / "benchmarks" / "results.json",
    REPOSITORY_ROOT / "benchmarks" / "RESULTS.md",
)


MAX_SPEED_DRIFT = 0.2
"""Largest change of the machine's own speed in a run; beyond it the figures mean nothing."""


REPORTED_PACKAGES = ("tensorflow", "keras", "keras-tuner", "onnxruntime", "numpy", "torch")


@dataclass(frozen=True)
class BenchmarkPart:
    """A heading, and the function that measures its figures in a folder that all parts share."""

    title: str
    measure: Callable[[Path], list[Measurement]]


def main(full: bool = False, again: str = "") -> int:
    """Measure speed and memory, and compare them with the promised values.

    Args:
        full: measure everything, in about twenty minutes, and write benchmarks/RESULTS.md.
        again: heading of one part that `--full` adds: measure it alone and update the results of
            the last `--full`.
    """
    from training import keras_startup

    parts = (
        [part for part in FULL_PARTS if part.title == again]
        if again
        else [*QUICK_PARTS, *(FULL_PARTS if full else ())]
    )
    if not parts:
        raise console.PlainError(
            f"--again {again} is not a part of --full. Available: "
            f"{'; '.join(part.title for part in FULL_PARTS)}."
        )
    results = load_last_results() if again else BenchmarkResults()
    speed_before = measure_sgemm_gflops()
    with tempfile.TemporaryDirectory() as folder:
        keras_startup.start_keras()
        for part in parts:
            console.print_heading(part.title)
            results.figures[part.title] = part.measure(Path(folder))
            print_measurements(part.title, results.figures[part.title])
    speed_after = measure_sgemm_gflops()
    console.print_message(
        f"Matrix product before and after: {speed_before:.0f} and {speed_after:.0f} GFLOP/s."
    )
    results.sgemm_gflops[again] = [speed_before, speed_after]
    speeds = [speed for pair in results.sgemm_gflops.values() for speed in pair]
    drift = max(speeds) / min(speeds) - 1
    if drift > MAX_SPEED_DRIFT:
        console.print_warning(
            f"The machine's speed changed by {drift:.0%} during the run, so these figures are not "
            "saved. Run it again on an idle machine."
        )
        return console.EXIT_USAGE
    write_results(results, page=bool(full or again))
    return 0


@dataclass(frozen=True)
class BenchmarkResults:
    """Measurements of a run.

    Attributes:
        figures: measurements by the heading of their part.
        sgemm_gflops: speed of a matrix product before and after the run (key ""), and before and
            after each part that was measured again alone (key: its heading).
    """

    figures: dict[str, list[Measurement]] = field(default_factory=dict)
    sgemm_gflops: dict[str, list[float]] = field(default_factory=dict)


def load_last_results() -> BenchmarkResults:
    """Load benchmarks/results.json.

    Raises:
        PlainError: it is missing, or was written without `--full` or by an older version.
    """
    saved = json.loads(RESULTS_FILE.read_bytes()) if RESULTS_FILE.exists() else {"figures": {}}
    if not {part.title for part in FULL_PARTS} <= saved["figures"].keys():
        raise console.PlainError(
            f"{RESULTS_FILE.name} has no figures of --full of this version. Run --full first."
        )
    figures = {
        title: [Measurement(**values) for values in part]
        for title, part in saved["figures"].items()
    }
    return BenchmarkResults(figures, saved["sgemm_gflops"])


def write_results(results: BenchmarkResults, page: bool) -> None:
    versions = {name: importlib.metadata.version(name) for name in REPORTED_PACKAGES} | {
        "python": platform.python_version()
    }
    content = {
        **asdict(results),
        "load": os.getloadavg(),
        "cores": os.cpu_count(),
        "versions": versions,
    }
    atomic_files.write_atomically(RESULTS_FILE, (json.dumps(content, indent=1) + "\n").encode())
    if page:
        atomic_files.write_atomically(RESULTS_PAGE, render_results_page(results, versions).encode())


def render_results_page(results: BenchmarkResults, versions: dict[str, str]) -> str:
    version_text = ", ".join(f"{name} {version}" for name, version in versions.items())
    speeds = {
        title: f"{before:.0f} GFLOP/s before and {after:.0f} after"
        for title, (before, after) in results.sgemm_gflops.items()
    }
    parts = [
        "# Speed and memory\n",
        "Written by `python -m benchmarks.run --full`. Ratios are medians of runs in turns "
        "within one process.\n",
        f"{os.cpu_count()} cores, a float32 matrix product of {speeds.pop('')}. {version_text}.\n",
        *(
            f"Measured again, alone (`--again`): {title}, a matrix product of {speed}.\n"
            for title, speed in speeds.items()
        ),
    ]
    met_texts = {True: "yes", False: "**no**", None: ""}
    for title, measurements in results.figures.items():
        rows = [
            [
                measurement.name,
                f"{measurement.value:.3g} {measurement.unit}".strip(),
                measurement.promise,
                met_texts[measurement.promise_met],
            ]
            for measurement in measurements
        ]
        parts += [
            f"## {title}\n",
            render_markdown_table(["figure", "measured", "promised", "met"], rows),
        ]
    return "\n".join(parts)


QUICK_PARTS = (
    BenchmarkPart("The commands, as whole processes", measure_commands),
    BenchmarkPart("Detection", measure_trained_detector),
    BenchmarkPart("Extraction: Keras and ONNX Runtime in turns", measure_extraction),
    BenchmarkPart(
        "Head search: batched, one by one in Keras, and with the base inside the model",
        measure_shorter_search,
    ),
)
FULL_PARTS = (
    BenchmarkPart(
        "Head search on more images for more epochs, and with the base inside the model",
        measure_longer_search,
    ),
    BenchmarkPart(
        "Fine-tuning: the whole model and its cached activations in turns",
        measure_fine_tuning_speed,
    ),
    BenchmarkPart(
        "Training with two bases, and with the base inside the model", measure_two_base_training
    ),
    BenchmarkPart("Collection and audit", collection.measure_collection),
    BenchmarkPart("Validation", validation_report.measure_report),
    BenchmarkPart(
        "Compared with fine-tuning as fastai does it, on the sample, which any network learns",
        measure_sample_peers,
    ),
    BenchmarkPart("Head search over a million rows on disk", measure_million_rows),
)

if __name__ == "__main__":
    console.run_command(lambda: tyro.cli(main, prog="python -m benchmarks.run"))
