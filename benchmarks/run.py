"""Measure speed and memory on images made of noise: `python -m benchmarks.run`; `--full` measures
everything.

It needs the pretrained weights (as `python -m training` finds them) and no data set but the sample,
which it fetches. Compared variants run in turns within this process, or as whole processes one
after another. A part that fails is told in a sentence, and the others are measured. A run begins
benchmarks/results.json anew and adds all repetitions of every part; `--full` also writes
benchmarks/RESULTS.md.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tyro

from benchmarks.measuring import (
    Measurement,
    explain_failure,
    measure_sgemm_gflops,
    print_measurements,
)
from benchmarks.results_page import (
    BenchmarkResults,
    describe_machine,
    load_last_results,
    write_page,
    write_results,
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
from runtime import console

MAX_SPEED_DRIFT = 0.2
"""Largest change of the machine's own speed in a run; beyond it the figures mean nothing."""


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

    Returns:
        The exit code: 1 if a part failed, in this run or in the one that it updates; 2 if the
        machine's speed changed, so that the page was not written.
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
    results = (
        load_last_results([part.title for part in FULL_PARTS])
        if again
        else BenchmarkResults(machine=describe_machine())
    )
    speed_before = measure_sgemm_gflops()
    with tempfile.TemporaryDirectory() as folder:
        keras_startup.start_keras()
        measured = []
        for part in parts:
            measured.append(_measure_part(part, Path(folder), results))
            write_results(results)  # whatever ends the run, these figures stay
    speed_after = measure_sgemm_gflops()
    console.print_message(
        f"Matrix product before and after: {speed_before:.0f} and {speed_after:.0f} GFLOP/s."
    )
    results.sgemm_gflops[again] = [speed_before, speed_after]
    write_results(results)
    if results.speed_drift > MAX_SPEED_DRIFT:
        console.print_warning(
            f"The machine's speed changed by {results.speed_drift:.0%} during the run, so its "
            "figures are in benchmarks/results.json only. Run it again on an idle machine."
        )
        return console.EXIT_USAGE
    if full or again:
        write_page(results)
    return 0 if all(measured) and not results.failures else 1


def _measure_part(part: BenchmarkPart, folder: Path, results: BenchmarkResults) -> bool:
    """Add the figures of a part to the results, or why there are none; return whether it went
    well."""
    console.print_heading(part.title)
    try:
        figures = part.measure(folder)
    except Exception as error:  # the other parts are worth as much
        reason = explain_failure(error)
        console.print_message(f"{part.title}: failed, {reason}.")
        if part.title not in results.figures:
            results.failures[part.title] = reason
        return False
    results.failures.pop(part.title, None)
    results.figures[part.title] = figures
    print_measurements(part.title, figures)
    return True


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
