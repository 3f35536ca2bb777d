"""Read the CSV files of --facts: person, prompt, seed, generator, source image by path."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_collection.facts.csv_rows import CsvRow, read_csv_rows
from runtime import console

PATH_COLUMNS = ("file", "path")
FACT_COLUMNS = ("person", "prompt", "seed", "generator", "source_image")


@dataclass(frozen=True)
class FactRow:
    """A row of a CSV file.

    Attributes:
        file: the path or name in the column `file` or `path`.
        facts: the cells that are not empty, by name in FACT_COLUMNS.
        origin: where the row stands, for messages: "line 3 of facts.csv".
    """

    file: str
    facts: Mapping[str, object]
    origin: str


def read_facts(paths: Sequence[Path]) -> list[FactRow]:
    """Read CSV files with a column `file` or `path` and any of FACT_COLUMNS, in any capitals.

    Raises:
        PlainError: a file cannot be read, lacks the columns, has one twice, or holds a seed that is
            not a number.
    """
    return [row for path in paths for row in _read_file(path)]


def _read_file(path: Path) -> list[FactRow]:
    def check_columns(names: list[str]) -> None:
        if not {*names} & {*PATH_COLUMNS} or not {*names} & {*FACT_COLUMNS}:
            raise console.PlainError(
                f"{path} has the columns {', '.join(names) or '(none)'}; it needs `file` or "
                f"`path`, and at least one of {', '.join(FACT_COLUMNS)}."
            )

    rows = read_csv_rows(path, check_columns, known=(*PATH_COLUMNS, *FACT_COLUMNS))
    return [_parse_row(row, path) for row in rows if {*row.cells} & {*PATH_COLUMNS}]


def _parse_row(row: CsvRow, path: Path) -> FactRow:
    file = next(row.cells[name] for name in PATH_COLUMNS if name in row.cells)
    facts = {
        name: _parse_fact(name, row.cells[name], path) for name in FACT_COLUMNS if name in row.cells
    }
    return FactRow(file, facts, row.origin)


def _parse_fact(name: str, text: str, path: Path) -> object:
    if name != "seed":
        return text
    try:
        return int(text)
    except ValueError:
        raise console.PlainError(f"{path} has the seed {text!r}; give a whole number.") from None
