"""Find the images that the rows of CSV files mean: by hash or by path."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_collection.facts.csv_rows import CsvRow, read_csv_rows
from data_collection.facts.path_index import IndexedFile, PathIndex
from runtime import console
from validation.data.evaluation_set import EvaluationSet

HASH_COLUMN = "sha256"
PATH_COLUMNS = ("path", "file")
KEY_COLUMNS = (HASH_COLUMN, *PATH_COLUMNS)


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

    def check_columns(names: list[str]) -> None:
        if not set(names) & set(KEY_COLUMNS):
            raise console.PlainError(
                f"{path} has the columns {', '.join(names) or '(none)'}. It needs one that names "
                f"the images: {', '.join(KEY_COLUMNS)}."
            )

    rows = read_csv_rows(path, check_columns)
    return [_make_image_row(row) for row in rows if set(row.cells) & set(KEY_COLUMNS)]


def _make_image_row(row: CsvRow) -> ImageRow:
    return ImageRow(
        sha256=row.cells.get(HASH_COLUMN, "").lower(),
        path=next((row.cells[name] for name in PATH_COLUMNS if name in row.cells), ""),
        cells={name: cell for name, cell in row.cells.items() if name not in KEY_COLUMNS},
        origin=row.origin,
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
