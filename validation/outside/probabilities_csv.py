"""Read the probabilities that another program gave the images from a CSV file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from runtime import console
from validation.data.evaluation_set import EvaluationSet
from validation.data.image_rows import ImageRow, match_rows, read_image_rows
from validation.outside.outside_detector import OutsideDetector, OutsideScores, format_name

PROBABILITY_COLUMN = "probability"


@dataclass(frozen=True, kw_only=True)
class CsvDetector(OutsideDetector):
    """A CSV file as an outside detector."""

    rows: list[ImageRow]

    def score_images(self, data: EvaluationSet) -> OutsideScores:
        matched = match_rows(self.rows, data)
        probabilities = np.array(
            [
                float(matched.cells.get(record.id, {}).get(PROBABILITY_COLUMN, np.nan))
                for record in data.records
            ]
        )
        n_strange = len(matched.unmatched)
        note = (
            f"{n_strange:,} of its {len(self.rows):,} rows name no image of {data.name}, such as "
            f"{matched.unmatched[0].origin}."
            if n_strange
            else ""
        )
        return OutsideScores(probabilities, [note] if note else [])


def open_csv(path: Path) -> CsvDetector:
    """Read a CSV file with a column `probability` and one of `sha256`, `path` and `file`.

    Raises:
        PlainError: it cannot be read, or a probability is none.
    """
    rows = read_image_rows(path)
    _check_probabilities(rows, path)
    return CsvDetector(
        name=format_name(path.name),
        input_note="Its probabilities were read from a file; how they came about is not known.",
        rows=[_keep_probability(row) for row in rows],
    )


def _check_probabilities(rows: Sequence[ImageRow], path: Path) -> None:
    if not any(PROBABILITY_COLUMN in row.cells for row in rows):
        raise console.PlainError(
            f"{path} holds no probability. It needs a column `{PROBABILITY_COLUMN}`, the "
            "probability of generated, beside `sha256` or `path`."
        )
    for row in rows:
        text = row.cells.get(PROBABILITY_COLUMN)
        try:
            valid = text is None or 0 <= float(text) <= 1
        except ValueError:
            valid = False
        if not valid:
            raise console.PlainError(
                f"{row.origin} has the probability {text[:40]!r}. Give numbers from 0 to 1, and "
                "leave the cell empty where there is none."
            )


def _keep_probability(row: ImageRow) -> ImageRow:
    """Return the row without its other cells, about which two rows may differ."""
    text = row.cells.get(PROBABILITY_COLUMN)
    return replace(row, cells={PROBABILITY_COLUMN: str(float(text))} if text else {})
