"""manifest.jsonl: one row per image of a data set; reading, appending and fingerprinting it.

The row is written last, so its existence means that the image's files are complete.
"""

import contextlib
import dataclasses
import functools
import gc
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import filelock
import msgspec

from data_collection import checked_json, console, face_images

LABELS = ("real", "generated")

_HASHES = "/[0-9a-f]{16}/[0-9a-f]{16}"
_SOUND = re.compile(rf"(?:{'|'.join(LABELS)})/[0-9a-f]{{64}}/(?:accepted{_HASHES}|rejected(?:{_HASHES}|//))").fullmatch
"""What label, id, status and both perceptual hashes of a row may be; one pattern, because a million rows are asked."""


@dataclass(frozen=True)
class FaceRecord:
    """One row of the manifest.

    Attributes:
        id: sha256 of the original bytes, in hexadecimal.
        label: "real" or "generated".
        source: where it came from; a folder's name, or a collector's.
        file: its name at the source.
        status: "accepted" or "rejected".
        reason: why it was rejected, in words; empty for accepted images.
        group: id of the group that never crosses a split; empty until the groups are made.
        split: "train", "validation", "hold-out", or "quarantine"; empty until the splits are made.
        original, image: paths of the untouched bytes and of the canonical picture, relative to the data set's folder.
        format, mode, width, height, bytes, quality: of the original, as `face_images.Face` describes them.
        crop: how the square was cut, a name in `face_images.CROPS`.
        phash, phash_mirrored: 64-bit perceptual hashes of the square and of its mirror image, in hexadecimal.
        person, prompt, seed, generator, source_image: what is known of its making; images that share one belong together.
        attributes: what the prompt asks for, by name ("age", "lighting", ...).
        drawn_with: settings and library versions of the generator, enough to draw the image again.
    """

    id: str
    label: str
    source: str
    file: str
    status: str
    reason: str = ""
    group: str = ""
    split: str = ""
    original: str = ""
    image: str = ""
    format: str = ""
    mode: str = ""
    width: int = 0
    height: int = 0
    bytes: int = 0
    quality: int | None = None
    crop: str = "centre"
    phash: str = ""
    phash_mirrored: str = ""
    person: str = ""
    prompt: str = ""
    seed: int | None = None
    generator: str = ""
    source_image: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    drawn_with: dict[str, object] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        return self.status == "accepted"

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes a row the same row when a collection runs again."""
        return self.label, self.source, self.file, self.id


def manifest_path(folder: Path) -> Path:
    return folder / "manifest.jsonl"


def read(folder: Path) -> list[FaceRecord]:
    """Reads every row; an unfinished last line, as a crash leaves it, is passed over, and said once.

    Raises:
        PlainError: there is no manifest, or a line in its middle is damaged.
    """
    path = manifest_path(folder)
    if not path.is_file():
        raise console.PlainError(f"{folder} holds no data set (no manifest.jsonl); run python -m data_collection first.")
    decoder = msgspec.json.Decoder(FaceRecord)
    with path.open("rb") as file, _no_garbage_collection():
        rows = [
            _parse(line, decoder, number, path)
            for number, line in enumerate(file, 1)
            if line.endswith(b"\n") and not line.isspace()
        ]
        if _end_of_lines(file) < file.seek(0, os.SEEK_END):
            _tell_unfinished(path.absolute())
        return rows


@functools.cache
def _tell_unfinished(path: Path) -> None:
    console.warn(f"The last line of {path} is unfinished, as a crash leaves it; run the collection again to mend it.")


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Rows hold no cycles, and looking for some takes longer than reading a million rows."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _parse(line: bytes, decoder: msgspec.json.Decoder, number: int, path: Path) -> FaceRecord:
    try:
        try:
            record = decoder.decode(line)  # a million rows in 5 s; the standard library needs three times as long
        except msgspec.DecodeError:
            record = checked_json.decoded(line, FaceRecord)  # a file name that is no UTF-8 is for the standard library only
        if not _SOUND(f"{record.label}/{record.id}/{record.status}/{record.phash}/{record.phash_mirrored}"):
            raise ValueError
        return record
    except ValueError:
        raise damaged_line(number, path) from None


def damaged_line(number: int, path: Path) -> console.PlainError:
    return console.PlainError(
        f"Line {number} of {path} is damaged. Restore the file from a copy, or collect under another --dataset name.",
        console.DISK,
    )


def append(folder: Path, records: Iterable[FaceRecord]) -> None:
    """Adds rows at the end, on disk when it returns; a torn last line is cut off first."""
    lines = "".join(_to_line(record) for record in records)
    with manifest_path(folder).open("ab+") as file:
        file.truncate(_end_of_lines(file))
        file.write(lines.encode())
        file.flush()
        os.fsync(file.fileno())


def _end_of_lines(file: BinaryIO, block: int = 65_536) -> int:
    """Where the last complete line ends; looked for from the end, because a manifest may be large."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - block)
        file.seek(start)
        place = file.read(end - start).rfind(b"\n")
        if place >= 0:
            return start + place + 1
        end = start
    return 0


def replace_all(folder: Path, records: Iterable[FaceRecord]) -> None:
    write_whole(manifest_path(folder), "".join(_to_line(record) for record in records).encode())


def _to_line(record: FaceRecord) -> str:
    return json.dumps(dataclasses.asdict(record)) + "\n"


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file so that it is either there whole or not at all: temporary name, fsync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def flushed(path: Path) -> None:
    """Returns when a file is on disk; for a folder, when the names in it are."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def names_flushed(folder: Path, records: Iterable[FaceRecord]) -> None:
    """Returns when the names of these rows' files are on disk, and so are those of the folders that they are in."""
    files = [PurePosixPath(name) for record in records for name in (record.original, record.image) if name]
    for place in {parent for file in files for parent in file.parents}:
        flushed(folder / place)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the data set's lock; the system frees it when the process ends, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(folder / ".lock", timeout=0):
            yield
    except filelock.Timeout:
        raise console.PlainError(f"Another command is writing {folder}; wait until it has ended.", console.BUSY) from None


def accepted(records: Iterable[FaceRecord], *splits: str) -> list[FaceRecord]:
    """The accepted rows of the given splits, in a fixed order."""
    return sorted((r for r in records if r.accepted and r.split in splits), key=lambda record: record.id)


def fingerprint(records: Iterable[FaceRecord]) -> str:
    """sha256 over what decides a training: id, label, source, group and split of every accepted image."""
    rows = sorted((r.id, r.label, r.source, r.group, r.split) for r in records if r.accepted)
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def read_original(folder: Path, record: FaceRecord) -> bytes:
    """The original bytes of a row, checked against its id.

    Raises:
        PlainError: the file is missing or was altered since it was collected.
    """
    data, wrong = look_at_original(folder, record)
    if wrong:
        raise console.PlainError(
            f"{folder / record.original} {wrong}; restore it from a copy, or, if it is from a folder of yours, delete it and "
            "collect again.",
            console.DISK,
        )
    return data


def look_at_original(folder: Path, record: FaceRecord) -> tuple[bytes, str]:
    """The original bytes of a row, and what is wrong with them, in words; empty if they are those that were collected."""
    try:
        data = (folder / record.original).read_bytes()
    except FileNotFoundError:
        return b"", "is missing"
    return data, "" if face_images.content_id(data) == record.id else "was altered since it was collected"
