"""Read CSV files about images, and find the images that their rows mean: by hash or by path."""

import csv
import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_collection.facts.path_index import IndexedFile, PathIndex
from runtime import console
from validation.data.evaluation_set import EvaluationSet

HASH_COLUMN = "sha256"
PATH_COLUMNS = ("path", "file")
KEY_COLUMNS = (HASH_COLUMN, *PATH_COLUMNS)

SEPARATORS = ",;\t"
"""Spreadsheets write the second where the comma is a decimal point."""


@dataclass(frozen=True, kw_only=True)
class ImageRow:
    """A row of a CSV file.

    Attributes:
        sha256: hash of the original's bytes, in small letters; empty if the row has none.
        path: the path or name of the image; empty if the row has none.
        cells: the other cells that are not empty, by the name of the column in small letters.
        origin: where the row stands, for messages: "line 3 of scores.csv".
    """

    sha256: str
    path: str
    cells: Mapping[str, str]
    origin: str


def read_image_rows(path: Path) -> list[ImageRow]:
    """Read a CSV file whose rows name images in a column `sha256`, `path` or `file`.

    Raises:
        PlainError: the file cannot be read, lacks such a column, or has a column twice.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            separator = max(SEPARATORS, key=header.count)
            file.seek(0)
            return list(_iterate_rows(csv.reader(file, delimiter=separator), path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise console.PlainError(
            f"Cannot read {path} ({reason}). Give a CSV file in UTF-8."
        ) from None


def _iterate_rows(reader: Iterator[list[str]], path: Path) -> Iterator[ImageRow]:
    names = [name.strip().lower() for name in next(reader, [])]
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        raise console.PlainError(f"{path} has the column `{twice[0]}` twice. Keep one of them.")
    if not set(names) & set(KEY_COLUMNS):
        raise console.PlainError(
            f"{path} has the columns {', '.join(names) or '(none)'}. It needs one that names the "
            f"images: {', '.join(KEY_COLUMNS)}."
        )
    for cells in reader:
        row = {name: cell.strip() for name, cell in zip(names, cells, strict=False)}
        row = {name: cell for name, cell in row.items() if name and cell}
        sha256 = row.pop(HASH_COLUMN, "").lower()
        paths = [row.pop(name) for name in PATH_COLUMNS if name in row]
        if sha256 or paths:
            yield ImageRow(
                sha256=sha256,
                path=paths[0] if paths else "",
                cells=row,
                origin=f"line {reader.line_num} of {path.name}",
            )


@dataclass(frozen=True)
class MatchedRows:
    """Cells of the images that rows mean.

    Attributes:
        cells: by the id of the image, and by the name of the column.
        unmatched: the rows that mean no image of the set.
    """

    cells: dict[str, dict[str, str]]
    unmatched: list[ImageRow]


def match_rows(rows: Sequence[ImageRow], data: EvaluationSet) -> MatchedRows:
    """Return the cells of every image of a set; a row with a hash is found by it alone.

    Raises:
        PlainError: a path means several images, or two rows say different things about one.
    """
    index = _ImageIndex(data)
    cells: dict[str, dict[str, str]] = {}
    origins: dict[tuple[str, str], str] = {}
    unmatched = []
    for row in rows:
        image = index.find(row)
        if image is None:
            unmatched.append(row)
            continue
        known = cells.setdefault(image, {})
        for name, cell in row.cells.items():
            other = origins.setdefault((image, name), row.origin)
            if known.setdefault(name, cell) != cell:
                raise console.PlainError(
                    f"{other} and {row.origin} say different things about one image: {name} "
                    f"{known[name]} and {cell}. Keep the right one."
                )
    return MatchedRows(cells, unmatched)


class _ImageIndex:
    """The images of a set by their hash, by the path of their original, and by their name."""

    def __init__(self, data: EvaluationSet) -> None:
        self._data = data
        self._ids = {record.id for record in data.records}

    @functools.cached_property
    def _paths(self) -> list[PathIndex]:
        """The paths of the originals in the data set, and the names at their sources."""
        records, folder = self._data.records, self._data.folder
        originals = [
            IndexedFile(str(folder / record.original), record.original) for record in records
        ]
        names = [IndexedFile(f"{record.source}/{record.file}", record.file) for record in records]
        return [PathIndex(originals), PathIndex(names)]

    def find(self, row: ImageRow) -> str | None:
        """Return the id of the image of a row; None if it means none of the set."""
        if row.sha256:
            return row.sha256 if row.sha256 in self._ids else None
        for paths in self._paths:
            files = paths.find(row.path).files
            if len(files) > 1:
                # Without their names: a report that names no file may quote this.
                raise console.PlainError(
                    f"{row.origin} means {len(files)} images. Write more of its path, or its "
                    "sha256."
                )
            if files:
                return self._data.records[files[0]].id
        return None
