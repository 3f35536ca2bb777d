"""Write the probabilities of all detectors as a CSV file, one row per image."""

import csv
import io
from collections.abc import Sequence

import numpy as np

from runtime import atomic_files, console
from runtime.terminal.counting import format_count
from validation.data.evaluation_set import EvaluationSet
from validation.data.image_rows import HASH_COLUMN, PATH_COLUMNS
from validation.metrics.comparison import DetectorResult
from validation.outside.outside_result import OutsideResult
from validation.outside.probabilities_csv import PROBABILITY_COLUMN
from validation.settings import ValidationSettings


def write_predictions(
    settings: ValidationSettings,
    data: EvaluationSet,
    results: Sequence[DetectorResult],
    outside: OutsideResult | None,
) -> None:
    """Write --predictions-out; with --no-pictures without the paths.

    The first detector's column is `probability`, so that --against reads the file.
    """
    columns: dict[str, Sequence[object]] = {
        PATH_COLUMNS[0]: [str(data.folder / record.original) for record in data.records],
        HASH_COLUMN: [record.id for record in data.records],
        "label": [record.label for record in data.records],
        "source": [record.source for record in data.records],
        "split": [record.split for record in data.records],
        PROBABILITY_COLUMN: _format_probabilities(results[0].scored.probabilities),
    }
    columns |= {
        f"{PROBABILITY_COLUMN} of {result.name}": _format_probabilities(result.scored.probabilities)
        for result in results[1:]
    }
    if outside and outside.probabilities is not None:
        name = f"{PROBABILITY_COLUMN} of {outside.name}"
        columns[name] = _format_probabilities(outside.probabilities)
    if not settings.pictures:
        del columns[PATH_COLUMNS[0]]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    # A file name that is not UTF-8 holds surrogates, which cannot be encoded.
    atomic_files.write_atomically(
        settings.predictions_out, text.getvalue().encode(errors="replace")
    )
    console.print_message(
        f"Probabilities of {format_count(len(data.records), 'image')}: {settings.predictions_out}."
    )


def _format_probabilities(probabilities: np.ndarray) -> list[str]:
    """Return the numbers as text that is read back exactly, an empty one for NaN."""
    return [repr(value) if np.isfinite(value) else "" for value in probabilities.tolist()]
