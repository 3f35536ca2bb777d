"""Print results as a table, or as lines if there are many."""

import sys
from collections.abc import Iterable, Iterator

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
    columns = [
        "image",
        "verdict",
        "probability of generated",
        *(["why not"] if any(detection.error for detection in printed) else []),
    ]
    console.print_table(
        "", columns, [_format_cells(detection)[: len(columns)] for detection in printed]
    )
    for detection in printed:
        for claim in detection.claims:
            console.out.print(
                console.sanitise_line(f"{detection.path} ({claim.kind}): {claim.text}"),
                markup=False,
                soft_wrap=True,
            )
        for warning in detection.warnings:
            console.out.print(
                console.sanitise_line(f"{detection.path}: {warning}"), markup=False, soft_wrap=True
            )
    if any(detection.claims for detection in printed):
        console.print_message(provenance.CLAIMS_CAVEAT)


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
