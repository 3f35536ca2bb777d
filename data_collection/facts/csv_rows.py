"""Read CSV files about images: names of columns in any capitals, any usual separator."""

import csv
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from runtime import console

SEPARATORS = ",;\t"
"""Spreadsheets write the second where the comma is a decimal point."""


@dataclass(frozen=True)
class CsvRow:
    """A row of a CSV file.

    Attributes:
        cells: those that are not empty, by the name of the column in small letters.
        origin: where the row stands, for messages: "line 3 of facts.csv".
    """

    cells: Mapping[str, str]
    origin: str


def read_csv_rows(
    path: Path, check_columns: Callable[[list[str]], None], known: Collection[str] = ()
) -> list[CsvRow]:
    """Read a CSV file in UTF-8.

    Args:
        check_columns: raises PlainError if the names of the columns, in small letters, do not do.
        known: columns to read; empty for all that have a name.

    Raises:
        PlainError: the file cannot be read, or has a column to be read twice.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            separator = max(SEPARATORS, key=header.count)
            file.seek(0)
            reader = csv.reader(file, delimiter=separator)
            names = [name.strip().lower() for name in next(reader, [])]
            check_columns(names)
            names = [name if name in known or not known else "" for name in names]
            _check_twice(names, path)
            return list(_iterate_rows(reader, names, path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise console.PlainError(
            f"Cannot read {path} ({reason}). Give a CSV file in UTF-8."
        ) from None


def _check_twice(names: list[str], path: Path) -> None:
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        raise console.PlainError(f"{path} has the column `{twice[0]}` twice. Keep one of them.")


def _iterate_rows(reader: "csv.Reader", names: list[str], path: Path) -> Iterator[CsvRow]:
    for line in reader:
        cells = {name: cell.strip() for name, cell in zip(names, line, strict=False)}
        cells = {name: cell for name, cell in cells.items() if name and cell}
        yield CsvRow(cells, f"line {reader.line_num} of {path.name}")
