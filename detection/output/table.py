"""Print results as a table, or as lines if there are many."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from detection.detections import Detection
from detection.output.progress import MAX_TABLE_ROWS, show_progress
from detection.provenance import claims as provenance
from runtime import console
from training.cuts.statement import DetectorStatement


def print_table(
    detections: Iterable[Detection], total: int, statement: DetectorStatement
) -> Iterator[Detection]:
    if total > MAX_TABLE_ROWS:
        yield from _print_lines(detections, total)
        return
    printed: list[Detection] = []
    for detection in detections:
        printed.append(detection)
        yield detection
    folder = _find_common_folder(printed)
    columns = [
        "verdict",
        "probability of generated",
        "image",
        *(["why not"] if any(detection.error for detection in printed) else []),
    ]
    rows = [
        [*cells[1:3], _shorten(detection, folder), *cells[3:]][: len(columns)]
        for detection, cells in zip(printed, map(_format_cells, printed), strict=True)
    ]
    console.print_table(f"Images in {folder}" if folder else "", columns, rows)
    for detection in printed:
        name = _shorten(detection, folder)
        for note in [
            *(f" ({claim.kind}): {claim.text}" for claim in detection.claims),
            *(f": {warning}" for warning in detection.warnings),
        ]:
            console.out.print(console.sanitise_line(name + note), markup=False, soft_wrap=True)
    if any(detection.claims for detection in printed):
        console.print_message(provenance.CLAIMS_CAVEAT)


def _find_common_folder(detections: Sequence[Detection]) -> str:
    """Return the folder that several images lie below; empty if there is none."""
    parents = {str(detection.path.parent) for detection in detections}
    if len(detections) < 2 or len({Path(parent).is_absolute() for parent in parents}) > 1:
        return ""
    return os.path.commonpath(parents).removesuffix(".")


def _shorten(detection: Detection, folder: str) -> str:
    path = detection.path.relative_to(folder) if folder else detection.path
    return console.sanitise_line(str(path))


def _print_lines(detections: Iterable[Detection], total: int) -> Iterator[Detection]:
    # On a terminal the lines themselves show the progress; a bar would appear among them.
    for detection in detections if sys.stdout.isatty() else show_progress(detections, total):
        path, verdict, probability, error = _format_cells(detection)
        claims = [claim.text for claim in detection.claims]
        notes = "; ".join([*filter(None, [error]), *detection.warnings, *claims])
        print(
            console.sanitise_line(
                f"{verdict:<10}  {probability:<5}  {path}" + (f"  ({notes})" if notes else "")
            ),
            flush=True,
        )
        yield detection


def _format_cells(detection: Detection) -> list[str]:
    probability = "-" if detection.probability is None else f"{detection.probability:.3f}"
    if detection.at_prevalence is not None:
        probability += f" (at the prevalence: {detection.at_prevalence:.3f})"
    return [
        console.sanitise_line(str(detection.path)),
        detection.verdict or "-",
        probability,
        detection.error,
    ]
