"""How answers are printed: a table, JSON or comma-separated values, each as soon as it is there."""

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
"""With more pictures than this, lines are printed as they come."""

CSV_COLUMNS = ("path", "verdict", "probability", "error", "sha256", "claims")

FORMULA_PREFIXES = ("=", "+", "-", "@")
"""A spreadsheet would calculate a cell that begins like that; strangers name files."""


def build_json_answer(detection: Detection) -> dict[str, object]:
    """Path, and either verdict and probability or error; sha256 and claims where there are some."""
    answer = {"verdict": detection.verdict, "probability": round(detection.probability or 0, 6)}
    facts = {"sha256": detection.sha256, "claims": [asdict(claim) for claim in detection.claims]}
    return {
        "path": str(detection.path),
        **({"error": detection.error} if detection.error else answer),
        **{name: value for name, value in facts.items() if value},
    }


def print_json(detections: Iterable[Detection], total: int) -> Iterator[Detection]:
    before = "[\n"
    for detection in _show_progress(detections, total):
        print(before + json.dumps(build_json_answer(detection)), end="", flush=True)
        before = ",\n"
        yield detection
    print("\n]", flush=True)


def print_csv(detections: Iterable[Detection], total: int) -> Iterator[Detection]:
    sys.stdout.reconfigure(
        encoding="utf-8", errors="surrogateescape", newline=""
    )  # names of files need not be text
    writer = csv.writer(sys.stdout)
    writer.writerow(CSV_COLUMNS)
    for detection in _show_progress(detections, total):
        path, claims = str(detection.path), "; ".join(claim.text for claim in detection.claims)
        probability = "" if detection.probability is None else f"{detection.probability:.6f}"
        safe = f"./{path}" if path.startswith(FORMULA_PREFIXES) and path != STDIN_PATH else path
        writer.writerow(
            [safe, detection.verdict, probability, detection.error, detection.sha256, claims]
        )
        sys.stdout.flush()
        yield detection


def print_table(detections: Iterable[Detection], total: int) -> Iterator[Detection]:
    if total > MAX_TABLE_ROWS:
        yield from _print_lines(detections, total)
        return
    found = []
    for detection in detections:
        found.append(detection)
        yield detection
    columns = [
        "image",
        "verdict",
        "probability of generated",
        *(["why not"] if any(each.error for each in found) else []),
    ]
    console.print_table("", columns, [_format_cells(each)[: len(columns)] for each in found])
    for each in found:
        for claim in each.claims:
            console.out.print(
                console.sanitise_line(f"{each.path} ({claim.kind}): {claim.text}"),
                markup=False,
                soft_wrap=True,
            )
    if any(each.claims for each in found):
        console.print_message(provenance.CLAIMS_CAVEAT)


def _print_lines(detections: Iterable[Detection], total: int) -> Iterator[Detection]:
    # On a terminal the lines themselves show the progress; a bar would be drawn among them.
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
    """Counts by verdict where there were many, what the verdicts mean, and what is wrong with the
    training's data."""
    if counts.total() > MAX_TABLE_ROWS:
        parts = [
            f"{counts[verdict]:,} {verdict or 'not judged'}"
            for verdict in ("generated", "real", ABSTAIN, "")
        ]
        console.print_message(f"{counts.total():,} pictures: {', '.join(parts)}.")
    console.print_message(
        f"Judged by {card.name}: {card.calibration.describe_band()} "
        f"{card.calibration.describe_expected_error()} This is no proof."
    )
    if card.banner:
        console.print_warning(card.banner)


PRINTERS: dict[str, Callable[[Iterable[Detection], int], Iterator[Detection]]] = {
    "json": print_json,
    "csv": print_csv,
    "table": print_table,
}
