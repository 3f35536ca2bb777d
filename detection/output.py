"""Print results as a table, JSON or CSV, each as soon as it is known."""

import csv
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict

from detection.image_paths import STDIN_PATH
from detection.predictor import Detection
from detection.provenance import claims as provenance
from runtime import console
from training.calibration import ABSTAIN
from training.detectors.card import Card

MAX_TABLE_ROWS = 50
"""With more images than this, lines are printed as they come."""

CSV_COLUMNS = ("path", "verdict", "probability", "error", "sha256", "claims", "faces")

FORMULA_PREFIXES = ("=", "+", "-", "@")
"""A spreadsheet evaluates a cell that begins like this, and file names are untrusted."""


def build_json_answer(detection: Detection) -> dict[str, object]:
    """Return the path, either verdict and probability or the error, and sha256, claims and the
    number of faces if known."""
    answer = {"verdict": detection.verdict, "probability": round(detection.probability or 0, 6)}
    details = {"sha256": detection.sha256, "claims": [asdict(claim) for claim in detection.claims]}
    return {
        "path": str(detection.path),
        **({"error": detection.error} if detection.error else answer),
        **{name: value for name, value in details.items() if value},
        **({} if detection.faces is None else {"faces": detection.faces}),
    }


def print_json(detections: Iterable[Detection], total: int) -> Iterator[Detection]:
    separator = "[\n"
    for detection in _show_progress(detections, total):
        print(separator + json.dumps(build_json_answer(detection)), end="", flush=True)
        separator = ",\n"
        yield detection
    print("\n]", flush=True)


def print_csv(detections: Iterable[Detection], total: int) -> Iterator[Detection]:
    # file names need not be text
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape", newline="")
    writer = csv.writer(sys.stdout)
    writer.writerow(CSV_COLUMNS)
    for detection in _show_progress(detections, total):
        path, claims = str(detection.path), "; ".join(claim.text for claim in detection.claims)
        probability = "" if detection.probability is None else f"{detection.probability:.6f}"
        if path.startswith(FORMULA_PREFIXES) and path != STDIN_PATH:
            path = f"./{path}"
        cells = [path, detection.verdict, probability, detection.error, detection.sha256, claims]
        writer.writerow([*cells, "" if detection.faces is None else detection.faces])
        sys.stdout.flush()
        yield detection


def print_table(detections: Iterable[Detection], total: int) -> Iterator[Detection]:
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
    if any(detection.claims for detection in printed):
        console.print_message(provenance.CLAIMS_CAVEAT)


def _print_lines(detections: Iterable[Detection], total: int) -> Iterator[Detection]:
    # On a terminal the lines themselves show the progress; a bar would appear among them.
    for detection in detections if sys.stdout.isatty() else _show_progress(detections, total):
        path, verdict, probability, error = _format_cells(detection)
        notes = "; ".join([*filter(None, [error]), *(claim.text for claim in detection.claims)])
        print(
            console.sanitise_line(
                f"{verdict:<10}  {probability:<5}  {path}" + (f"  ({notes})" if notes else "")
            ),
            flush=True,
        )
        yield detection


def _show_progress(detections: Iterable[Detection], total: int) -> Iterable[Detection]:
    return (
        console.track_progress(detections, "judging", total)
        if total > MAX_TABLE_ROWS
        else detections
    )


def _format_cells(detection: Detection) -> list[str]:
    probability = "-" if detection.probability is None else f"{detection.probability:.3f}"
    return [
        console.sanitise_line(str(detection.path)),
        detection.verdict or "-",
        probability,
        detection.error,
    ]


def print_summary(counts: Counter[str], card: Card) -> None:
    """Print the counts by verdict if there are many, and the meaning of the verdicts."""
    if counts.total() > MAX_TABLE_ROWS:
        parts = [
            f"{counts[verdict]:,} {verdict or 'not judged'}"
            for verdict in ("generated", "real", ABSTAIN, "")
        ]
        console.print_message(f"{counts.total():,} images:  {', '.join(parts)}.")
    console.print_message(
        f"Judged by {card.name}: {card.calibration.describe_band()} "
        f"{card.calibration.describe_expected_error()} This is not proof."
    )


def print_any_picture_hint(count: int) -> None:
    """Print how to judge the images that do not show exactly one face."""
    images = "1 image does" if count == 1 else f"{count:,} images do"
    console.print_message(
        f"{images} not show exactly one face. Detectors are trained on single faces, so a verdict "
        "on anything else means little; --any-picture gives one all the same."
    )


PRINTERS: dict[str, Callable[[Iterable[Detection], int], Iterator[Detection]]] = {
    "json": print_json,
    "csv": print_csv,
    "table": print_table,
}
