"""`python -m benchmarks.run`: the speed and memory figures, measured on pictures made of noise;
`--full` measures all of them.

It needs the pretrained weights (as `python -m training` finds them) and no data set but the sample,
which it fetches. What is compared runs in turns within this process, or as whole processes one
after another. Writes benchmarks/results.json with every repetition, and `--full` also writes
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
    measure_trained_detector,
    measure_two_base_training,
    measure_usual_search,
)
from benchmarks.speed.extraction import measure_extraction
from runtime import atomic_files, console

RESULTS_FILE, RESULTS_PAGE = (
    REPOSITORY_ROOT / "benchmarks" / "results.json",
    REPOSITORY_ROOT / "benchmarks" / "RESULTS.md",
)


MAX_SPEED_DRIFT = 0.2
"""Change of the machine's own speed during the run beyond which its figures mean nothing."""


REPORTED_PACKAGES = ("tensorflow", "keras", "keras-tuner", "onnxruntime", "numpy", "torch")


@dataclass(frozen=True)
class BenchmarkPart:
    """A heading and what is measured under it, in a folder that all parts share."""

    title: str
    figures: Callable[[Path], list[Measurement]]


def main(full: bool = False, again: str = "") -> int:
    """Measures what is promised of speed and memory.

    Args:
        full: everything, in about twenty minutes, and write benchmarks/RESULTS.md.
        again: heading of one part that `--full` adds, to measure it alone and put it into what the
            last `--full` wrote.
    """
    from training import keras_startup

    parts = (
        [part for part in FULL_PARTS if part.title == again]
        if again
        else [*QUICK_PARTS, *(FULL_PARTS if full else ())]
    )
    if not parts:
        raise console.PlainError(
            f"--again {again} is no part of --full; there are: {'; '.join(part.title for part in FULL_PARTS)}."
        )
    results = load_last_results() if again else BenchmarkResults()
    before = measure_sgemm_gflops()
    with tempfile.TemporaryDirectory() as folder:
        keras_startup.start_keras()
        for part in parts:
            console.print_heading(part.title)
            results.figures[part.title] = part.figures(Path(folder))
            print_measurements(part.title, results.figures[part.title])
    after = measure_sgemm_gflops()
    console.print_message(f"Matrix product before and after: {before:.0f} and {after:.0f} GFLOP/s.")
    results.sgemm_gflops[again] = [before, after]
    speeds = [speed for each in results.sgemm_gflops.values() for speed in each]
    drift = max(speeds) / min(speeds) - 1
    if drift > MAX_SPEED_DRIFT:
        console.print_warning(
            f"The machine changed its speed by {drift:.0%} meanwhile; these figures are not kept."
        )
        return console.EXIT_USAGE
    write_results(results, page=bool(full or again))
    return 0


@dataclass(frozen=True)
class BenchmarkResults:
    """What was found.

    Attributes:
        figures: by the heading of their part.
        sgemm_gflops: a matrix product's speed before and after the run (""), and each part that was
            measured again alone.
    """

    figures: dict[str, list[Measurement]] = field(default_factory=dict)
    sgemm_gflops: dict[str, list[float]] = field(default_factory=dict)


def load_last_results() -> BenchmarkResults:
    """What is in RESULTS.

    Raises:
        PlainError: nothing, or only what is measured without `--full`.
    """
    read = json.loads(RESULTS_FILE.read_bytes()) if RESULTS_FILE.exists() else {"figures": {}}
    if not {part.title for part in FULL_PARTS} <= read["figures"].keys():
        raise console.PlainError("There are no figures of --full to put it into; run that first.")
    figures = {
        title: [Measurement(**each) for each in part] for title, part in read["figures"].items()
    }
    return BenchmarkResults(figures, read["sgemm_gflops"])


def write_results(results: BenchmarkResults, page: bool) -> None:
    versions = {name: importlib.metadata.version(name) for name in REPORTED_PACKAGES} | {
        "python": platform.python_version()
    }
    whole = {
        **asdict(results),
        "load": os.getloadavg(),
        "cores": os.cpu_count(),
        "versions": versions,
    }
    atomic_files.write_atomically(RESULTS_FILE, (json.dumps(whole, indent=1) + "\n").encode())
    if page:
        atomic_files.write_atomically(RESULTS_PAGE, render_results_page(results, versions).encode())


def render_results_page(results: BenchmarkResults, versions: dict[str, str]) -> str:
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    speeds = {
        title: f"{before:.0f} GFLOP/s before and {after:.0f} after"
        for title, (before, after) in results.sgemm_gflops.items()
    }
    parts = [
        "# Speed and memory\n",
        "Written by `python -m benchmarks.run --full`. Ratios are medians of runs in turns within one process.\n",
        f"{os.cpu_count()} cores, a float32 matrix product of {speeds.pop('')}. {told}.\n",
        *(
            f"Measured once more, alone (`--again`): {title}, a matrix product of {speed}.\n"
            for title, speed in speeds.items()
        ),
    ]
    kept = {True: "yes", False: "**no**", None: ""}
    for title, figures in results.figures.items():
        lines = [
            [each.name, f"{each.value:.3g} {each.unit}".strip(), each.promise, kept[each.kept]]
            for each in figures
        ]
        parts += [
            f"## {title}\n",
            render_markdown_table(["figure", "measured", "promised", "kept"], lines),
        ]
    return "\n".join(parts)


QUICK_PARTS = (
    BenchmarkPart("The commands, as whole processes", measure_commands),
    BenchmarkPart("Detection", measure_trained_detector),
    BenchmarkPart("Extraction: Keras and ONNX Runtime in turns", measure_extraction),
    BenchmarkPart(
        "The search: many heads at once, one by one, and the usual way", measure_usual_search
    ),
)
FULL_PARTS = (
    BenchmarkPart("The search of more images for longer, and the usual way", measure_longer_search),
    BenchmarkPart(
        "Fine-tuning: the whole model and its cached activations in turns",
        measure_fine_tuning_speed,
    ),
    BenchmarkPart(
        "Two bases, and the usual search: frozen base inside the model", measure_two_base_training
    ),
    BenchmarkPart("Collection and audit", collection.measure_collection),
    BenchmarkPart("Validation", validation_report.measure_report),
    BenchmarkPart(
        "Beside the usual way to fine-tune, on the sample data set, which any network learns",
        measure_sample_peers,
    ),
    BenchmarkPart("A search over a million rows on disk", measure_million_rows),
)

if __name__ == "__main__":
    console.run_command(lambda: tyro.cli(main, prog="python -m benchmarks.run"))
