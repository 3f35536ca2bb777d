"""Read the CSV files of --facts: person, prompt, seed, generator, source image by path."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime import console

FACT_COLUMNS = ("person", "prompt", "seed", "generator", "source_image")


@dataclass(frozen=True)
class FactRow:
    """A row of a CSV file.

    Attributes:
        file: the path or name in the column `file`.
        facts: the cells that are not empty, by name in FACT_COLUMNS.
        origin: where the row stands, for messages: "line 3 of facts.csv".
    """

    file: str
    facts: Mapping[str, object]
    origin: str


def read_facts(paths: Sequence[Path]) -> list[FactRow]:
    """Read CSV files with a column `file` and any of FACT_COLUMNS, in any capitals.

    Raises:
        PlainError: a file cannot be read, lacks the columns, has one twice, or holds a seed that is
            not a number.
    """
    rows: list[FactRow] = []
    for path in paths:
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows += _iterate_rows(csv.reader(file), path)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise console.PlainError(
                f"Cannot read {path}: {error}; give a CSV file in UTF-8."
            ) from None
    return rows


def _iterate_rows(reader: "csv.Reader", path: Path) -> Iterator[FactRow]:
    names = _read_header(next(reader, []), path)
    for cells in reader:
        row = {name: cell for name, cell in zip(names, cells, strict=False) if name and cell}
        if "file" in row:
            origin = f"line {reader.line_num} of {path.name}"
            facts = {
                name: _parse_fact(name, row[name], path) for name in FACT_COLUMNS if name in row
            }
            yield FactRow(row["file"], facts, origin)


def _read_header(header: Sequence[str], path: Path) -> list[str]:
    """Return the known name of every column, or an empty one."""
    known = ("file", *FACT_COLUMNS)
    names = [name.strip().lower() for name in header]
    names = [name if name in known else "" for name in names]
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        raise console.PlainError(f"{path} has the column `{twice[0]}` twice; keep one of them.")
    if "file" not in names or not any(name in FACT_COLUMNS for name in names):
        raise console.PlainError(
            f"{path} has the columns {', '.join(header) or '(none)'}; it needs `file` "
            f"and at least one of {', '.join(FACT_COLUMNS)}."
        )
    return names


def _parse_fact(name: str, text: str, path: Path) -> object:
    if name != "seed":
        return text.strip()
    try:
        return int(text)
    except ValueError:
        raise console.PlainError(f"{path} has the seed {text!r}; give a whole number.") from None
