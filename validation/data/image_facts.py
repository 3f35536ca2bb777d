"""Read --facts: what a CSV file says about the images, one attribute per column."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data_collection.facts.facts_csv import FACT_COLUMNS
from runtime import console
from runtime.terminal.counting import choose_verb
from validation.data.evaluation_set import EvaluationSet
from validation.data.image_rows import ImageRow, match_rows, read_image_rows

MAX_PLAIN_NUMBERS = 12
"""A column with more different numbers (ages) is cut into ranges."""

N_RANGES = 4
"""Ranges of a column of numbers."""


@dataclass(frozen=True)
class ImageFacts:
    """The rows of a CSV file about images, without the columns that only a collection uses."""

    path: Path
    rows: list[ImageRow]


def read_facts(path: Path | None) -> ImageFacts | None:
    """Read the CSV file of --facts; None without one.

    Raises:
        PlainError: it cannot be read, or says nothing about an image.
    """
    if path is None:
        return None
    rows = [
        replace(
            row,
            cells={name: cell for name, cell in row.cells.items() if name not in FACT_COLUMNS},
        )
        for row in read_image_rows(path)
    ]
    if not any(row.cells for row in rows):
        raise console.PlainError(
            f"{path} says nothing about an image. Beside `file`, `path` or `sha256` it needs "
            "columns such as skin_tone, age, sex or camera."
        )
    return ImageFacts(path, rows)


def add_facts(data: EvaluationSet, facts: ImageFacts | None) -> EvaluationSet:
    """Return the images with the facts among their attributes; say how many have any.

    Raises:
        PlainError: a row means several images, or two rows disagree.
    """
    if facts is None:
        return data
    matched = match_rows(facts.rows, data)
    console.print_message(
        f"{facts.path} says something about {len(matched.cells):,} of {len(data.records):,} images."
    )
    if matched.unmatched:
        console.print_warning(
            f"{len(matched.unmatched):,} of {len(facts.rows):,} rows of {facts.path} "
            f"{choose_verb(len(matched.unmatched), 'names', 'name')} no image of {data.name}, such "
            f"as {matched.unmatched[0].origin}."
        )
    photographs = {record.id for record in data.records if record.label == "real"}
    cells = _cut_numbers(matched.cells, photographs)
    return replace(
        data,
        records=[
            replace(record, attributes={**record.attributes, **cells.get(record.id, {})})
            for record in data.records
        ],
    )


def _cut_numbers(
    cells: Mapping[str, Mapping[str, str]], photographs: Collection[str]
) -> dict[str, dict[str, str]]:
    """Replace the numbers of columns that hold many by ranges of about as many photographs each.

    Args:
        photographs: their ids; if none has a number, all images count.
    """
    columns = sorted({name for row in cells.values() for name in row})
    numbers = {name: _parse_numbers(cells, name) for name in columns}
    ranges = {}
    for name, number_by_image in numbers.items():
        real = {image: number_by_image[image] for image in number_by_image if image in photographs}
        ranges[name] = _name_ranges(number_by_image, [*(real or number_by_image).values()])
    return {
        image: {name: ranges[name].get(image, cell) for name, cell in row.items()}
        for image, row in cells.items()
    }


def _parse_numbers(cells: Mapping[str, Mapping[str, str]], name: str) -> dict[str, float]:
    """Return the numbers of a column by image; empty if a cell is none, or they are few."""
    try:
        numbers = {image: float(row[name]) for image, row in cells.items() if name in row}
    except ValueError:
        return {}
    is_plain = len(set(numbers.values())) <= MAX_PLAIN_NUMBERS
    return {} if is_plain or not np.isfinite([*numbers.values()]).all() else numbers


def _name_ranges(numbers: Mapping[str, float], counted: Sequence[float]) -> dict[str, str]:
    """Return the name of the range of every image's number.

    Args:
        counted: the numbers of which each range has about as many.
    """
    if not numbers:
        return {}
    values = np.array([*numbers.values()])
    edges = np.unique(np.quantile(counted, np.arange(1, N_RANGES) / N_RANGES))
    places = np.searchsorted(edges, values, "right")
    names = {
        place: f"{values[places == place].min():g} to {values[places == place].max():g}"
        for place in np.unique(places).tolist()
    }
    return {image: names[place] for image, place in zip(numbers, places.tolist(), strict=True)}
