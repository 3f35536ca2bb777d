"""Print results as comma-separated values that no spreadsheet calculates."""

import csv
import re
import sys
from collections.abc import Iterable, Iterator

from detection.detections import Detection
from detection.image_paths import STDIN_PATH, ImageListing
from detection.output.faces import describe_face
from detection.output.json_answers import build_json_answer
from detection.output.progress import show_progress
from runtime import console
from training.attribution.attribution import NONE_OF_THE_KNOWN
from training.cuts.statement import DetectorStatement

CSV_COLUMNS = (
    *("path", "verdict", "probability", "low", "high", "at_prevalence", "error", "sha256"),
    *("claims", "faces", "boxes", "generator", "generator_probability"),
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

FORMULA_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20"
"""A spreadsheet evaluates a cell that begins like this, also in full width; file names and metadata
are untrusted. Within a character class of a regular expression."""

starts_formula = re.compile(rf"[\s\0]*[{FORMULA_SIGNS}]|[\t\r\n]").match
"""Match the beginning of a cell that is evaluated, or whose first character is taken away so that
the next one may be."""

_insert_before_hidden_formulas = re.compile(rf"([;\t\r\n][\s\0]*)(?=[{FORMULA_SIGNS}])").sub
"""Find what would begin another cell where a semicolon or a tab separates them, as it does in half
of Europe, whatever the quotation marks."""


def print_csv(
    detections: Iterable[Detection], listing: ImageListing, statement: DetectorStatement
) -> Iterator[Detection]:
    # file names need not be text
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape", newline="")
    is_terminal = sys.stdout.isatty()
    writer = csv.DictWriter(sys.stdout, CSV_COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for detection in show_progress(detections, listing.total):
        row = build_csv_row(detection, statement)
        if is_terminal:
            row = {name: console.sanitise_line(cell) for name, cell in row.items()}
        writer.writerow(row)
        sys.stdout.flush()
        yield detection


def build_csv_row(detection: Detection, statement: DetectorStatement) -> dict[str, str]:
    """Return the cells of one row by column; none of them is a formula."""
    answer = build_json_answer(detection, statement)
    row = {name: _format_cell(answer.get(name)) for name in CSV_COLUMNS}
    row["claims"] = "; ".join(claim.text for claim in detection.claims)
    if detection.faces is not None:
        row["faces"] = str(len(detection.faces))
        row["boxes"] = "; ".join(map(describe_face, detection.faces))
    row["generator"] = row["generator_probability"] = ""
    if detection.generator:
        row["generator"] = detection.generator.closest or NONE_OF_THE_KNOWN
        row["generator_probability"] = _format_cell(detection.generator.probability)
    if row["path"] != STDIN_PATH and starts_formula(row["path"]):
        row["path"] = f"./{row['path']}"  # still the name of the file
    numbers = {name for name in CSV_COLUMNS if isinstance(answer.get(name), float)}
    return {
        name: cell if name in numbers or cell == STDIN_PATH else disarm_formulas(cell)
        for name, cell in row.items()
    }


def disarm_formulas(cell: str) -> str:
    """Put an apostrophe before whatever a spreadsheet would calculate in a cell."""
    cell = _insert_before_hidden_formulas(r"\1'", cell)
    return f"'{cell}" if starts_formula(cell) else cell


def _format_cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6f}"
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return "" if value is None else str(value)
