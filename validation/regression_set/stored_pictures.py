"""The regression set on disk: pictures that were judged wrongly, with their true label.

A picture is written first and its row last, both under the folder's lock, so a row means that its
picture is complete. A run that was interrupted leaves a picture without a row; the next change of
the set deletes it.
"""

import dataclasses
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_collection.dataset.manifest import ImageClass
from data_collection.source_types import UnavailableImage
from data_collection.sources import local_folder
from runtime import atomic_files, checked_json, console, hashing
from runtime.commands import workspace
from training.cuts.verdicts import Verdict

ROWS_FILE = "pictures.jsonl"
PICTURES_FOLDER = "pictures"

LOCK_WAIT_S = 30
"""A change takes milliseconds, so several commands at once wait for each other."""

MIN_PREFIX_CHARACTERS = 6
"""Shortest beginning of a hash that names a picture."""

_is_hash = re.compile(r"[0-9a-f]{64}").fullmatch


@dataclass(frozen=True, kw_only=True)
class StoredPicture:
    """A row of the set.

    Attributes:
        sha256: hash of the file's bytes, in hexadecimal.
        truth: its true label.
        kind: of picture, such as "night"; empty if none was given.
        note: in free text.
        name: the file's name when it was kept; empty if it came from the page.
        without_face: whether its centre was judged because it shows no face.
        added: date and time (UTC).
        detector, detector_sha256: name and ONNX file's hash of the detector that judged it.
        verdict, probability: its answer then.
    """

    sha256: str
    truth: ImageClass
    kind: str
    note: str
    name: str
    without_face: bool
    added: str
    detector: str
    detector_sha256: str
    verdict: Verdict
    probability: float

    @property
    def file(self) -> str:
        """Path of the picture in the set's folder."""
        return f"{PICTURES_FOLDER}/{self.sha256[:2]}/{self.sha256}"

    @property
    def was_right(self) -> bool:
        """Whether the answer then was the true label."""
        return self.verdict == self.truth


class SetIsFull(Exception):
    """The set may not grow any more."""


@dataclass(frozen=True, kw_only=True)
class SetLimits:
    """How large a set may become."""

    max_pictures: int
    max_bytes: int


@dataclass(frozen=True)
class RegressionSet:
    """The pictures that came back, in one folder of this computer.

    Attributes:
        folder: it is made with the first picture.
        limits: None if there are none.
    """

    folder: Path = workspace.FEEDBACK_FOLDER
    limits: SetLimits | None = None

    def read(self) -> list[StoredPicture]:
        """Return the rows, the oldest first; empty if nothing was kept.

        Raises:
            PlainError: the file of the rows is damaged.
        """
        path = self.folder / ROWS_FILE
        try:
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        try:
            rows = [checked_json.parse_json_as(line, StoredPicture) for line in lines]
            if not all(_is_hash(row.sha256) for row in rows):
                raise ValueError
        except ValueError:
            raise console.PlainError(
                f"{path} is damaged; restore it from a copy, or move it away to begin a new set.",
                console.EXIT_DISK,
            ) from None
        return rows

    def read_picture(self, row: StoredPicture) -> bytes:
        """Return a picture's bytes, checked against its hash.

        Raises:
            UnavailableImage: it is missing or was altered.
        """
        try:
            data = local_folder.read_regular_file(self.folder / row.file)
        except FileNotFoundError:
            raise UnavailableImage("it is missing from the kept pictures") from None
        if hashing.hash_bytes(data) != row.sha256:
            raise UnavailableImage("it was altered since it was kept")
        return data

    def add(self, row: StoredPicture, data: bytes) -> StoredPicture | None:
        """Keep a picture, unless it is kept already; return the row that it had, if any.

        Raises:
            SetIsFull: it would be larger than its limits.
            PlainError: the set is damaged, or another command holds it for too long.
        """
        with atomic_files.lock_folder(self.folder, LOCK_WAIT_S):
            rows = self.read()
            known = next((other for other in rows if other.sha256 == row.sha256), None)
            if known is None:
                self._delete_unnamed_files(rows)
                self._check_limits(len(rows), len(data))
                atomic_files.write_atomically(self.folder / row.file, data)
                self._write_rows([*rows, row])
            return known

    def remove(self, sha256: str) -> None:
        """Delete a picture and its row; nothing happens if another command has done it.

        Raises:
            PlainError: the set is damaged, or another command holds it for too long.
        """
        with atomic_files.lock_folder(self.folder, LOCK_WAIT_S):
            rows = [row for row in self.read() if row.sha256 != sha256]
            self._write_rows(rows)
            self._delete_unnamed_files(rows)

    def _check_limits(self, n_pictures: int, n_bytes: int) -> None:
        if self.limits is None:
            return
        n_bytes += sum(path.stat().st_size for path in self._list_files())
        if n_pictures >= self.limits.max_pictures or n_bytes > self.limits.max_bytes:
            raise SetIsFull

    def _write_rows(self, rows: Sequence[StoredPicture]) -> None:
        text = "".join(json.dumps(dataclasses.asdict(row)) + "\n" for row in rows)
        atomic_files.write_atomically(self.folder / ROWS_FILE, text.encode())

    def _list_files(self) -> list[Path]:
        return [path for path in (self.folder / PICTURES_FOLDER).glob("*/*") if path.is_file()]

    def _delete_unnamed_files(self, rows: Sequence[StoredPicture]) -> None:
        """Delete what an interrupted run has left; the lock is held."""
        named = {self.folder / row.file for row in rows}
        for path in self._list_files():
            if path not in named:
                path.unlink()


def find_by_prefix(rows: Sequence[StoredPicture], prefix: str) -> list[StoredPicture]:
    """Return the rows whose hash begins so; none for a beginning that is too short."""
    if len(prefix) < MIN_PREFIX_CHARACTERS:
        return []
    return [row for row in rows if row.sha256.startswith(prefix.lower())]
