"""Print results as a table, JSON or CSV, each as soon as it is known."""

import csv
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict

from detection.detections import Detection
from detection.image_paths import STDIN_PATH
from detection.provenance import claims as provenance
from runtime import console
from training.cuts.operating_point import ABSTAIN
from training.cuts.statement import REAL_EXPLANATION, DetectorStatement

MAX_TABLE_ROWS = 50
"""With more images than this, lines are printed as they come."""

CSV_COLUMNS = (
    *("path", "verdict", "probability", "low", "high", "at_prevalence", "error", "sha256"),
    *("claims", "faces"),
    *(
        "warnings",
        "detector",
        "detector_reason",
        "calibration",
        "real_below",
        "generated_above",
        "promise",
    ),
    *("strangers", "banner"),
)

FORMULA_PREFIXES = ("=", "+", "-", "@")
"""A spreadsheet evaluates a cell that begins like this, and file names are untrusted."""


def build_json_answer(detection: Detection, statement: DetectorStatement) -> dict[str, object]:
    """Return the path, either the verdict with all that it is worth or the error, and sha256,
    claims and the number of faces if known."""
    details = {"sha256": detection.sha256, "claims": [asdict(claim) for claim in detection.claims]}
    return {
        "path": str(detection.path),
        **({"error": detection.error} if detection.error else _build_verdict(detection, statement)),
        **{name: value for name, value in details.items() if value},
        **({} if detection.faces is None else {"faces": detection.faces}),
    }


def _build_verdict(detection: Detection, statement: DetectorStatement) -> dict[str, object]:
    return {
        "verdict": detection.verdict,
        **{
            name: round(getattr(detection, name) or 0, 6) for name in ("probability", "low", "high")
        },
        **(
            {}
            if detection.at_prevalence is None
            else {"at_prevalence": round(detection.at_prevalence, 6)}
        ),
        "warnings": list(detection.warnings),
        "detector": statement.detector,
        "detector_reason": statement.detector_reason,
        "calibration": statement.calibration,
        "real_below": statement.real_below,
        "generated_above": statement.generated_above,
        "promise": list(statement.promise),
        "strangers": list(statement.strangers),
        "real_means": REAL_EXPLANATION,
        "banner": statement.banner,
    }


def print_json(
    detections: Iterable[Detection], total: int, statement: DetectorStatement
) -> Iterator[Detection]:
    separator = "[\n"
    for detection in _show_progress(detections, total):
        answer = build_json_answer(detection, statement)
        print(separator + json.dumps(answer), end="", flush=True)
        separator = ",\n"
        yield detection
    print("\n]", flush=True)


def print_csv(
    detections: Iterable[Detection], total: int, statement: DetectorStatement
) -> Iterator[Detection]:
    # file names need not be text
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape", newline="")
    writer = csv.DictWriter(sys.stdout, CSV_COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for detection in _show_progress(detections, total):
        answer = build_json_answer(detection, statement)
        row = {name: _format_csv_cell(answer.get(name)) for name in CSV_COLUMNS}
        row["claims"] = "; ".join(claim.text for claim in detection.claims)
        if row["path"].startswith(FORMULA_PREFIXES) and row["path"] != STDIN_PATH:
            row["path"] = f"./{row['path']}"
        writer.writerow(row)
        sys.stdout.flush()
        yield detection


def _format_csv_cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6f}"
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return "" if value is None else str(value)


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
    for detection in detections if sys.stdout.isatty() else _show_progress(detections, total):
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


def _show_progress(detections: Iterable[Detection], total: int) -> Iterable[Detection]:
    return (
        console.track_progress(detections, "judging", total)
        if total > MAX_TABLE_ROWS
        else detections
    )


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


def print_summary(counts: Counter[str], statement: DetectorStatement) -> None:
    """Print the counts by verdict if there are many, and what the verdicts are worth."""
    if counts.total() > MAX_TABLE_ROWS:
        parts = [
            f"{counts[verdict]:,} {verdict or 'not judged'}"
            for verdict in ("generated", "real", ABSTAIN, "")
        ]
        console.print_message(f"{counts.total():,} images:  {', '.join(parts)}.")
    if counts.total() > counts[""]:
        reason = f" ({statement.detector_reason})" if statement.detector_reason else ""
        calibration = f", calibration {statement.calibration}" if statement.calibration else ""
        console.print_message(
            f"Judged by {statement.detector}{reason}{calibration}. This is an opinion, not proof."
        )
        for sentence in statement.list_sentences():
            console.print_message(sentence)


def print_any_picture_hint(count: int) -> None:
    """Print how to judge the images in which not exactly one face was found."""
    images = "1 image" if count == 1 else f"{count:,} images"
    console.print_message(
        f"In {images} not exactly one face was found. Detectors are trained on single faces, so a "
        "verdict on anything else means little; --any-picture gives one all the same."
    )


Printer = Callable[[Iterable[Detection], int, DetectorStatement], Iterator[Detection]]

PRINTERS: dict[str, Printer] = {
    "json": print_json,
    "csv": print_csv,
    "table": print_table,
}
