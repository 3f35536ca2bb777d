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
from typing import BinaryIO, Literal

import msgspec

from runtime import checked_json, console
from runtime.atomic_files import flush_to_disk, write_atomically

ImageClass = Literal["real", "generated"]
Split = Literal["train", "validation", "hold-out", "quarantine"]

LABELS: tuple[ImageClass, ...] = ("real", "generated")

_LABEL_PATTERN = "|".join(LABELS)
_HASH_PATTERN = ":[0-9a-f]{16}:[0-9a-f]{16}"
_FILE_PATTERN = rf"/(?:{_LABEL_PATTERN})/[0-9a-f]{{2}}/(?P=id)\."
_match_valid_row = re.compile(
    rf"(?:{_LABEL_PATTERN}):(?P<id>[0-9a-f]{{64}})"
    rf":(?:accepted{_HASH_PATTERN}|rejected(?:{_HASH_PATTERN}|::))"
    rf":(?:originals{_FILE_PATTERN}[a-z0-9]{{1,10}})?:(?:images{_FILE_PATTERN}jpg)?"
).fullmatch
"""Match label, id, status, perceptual hashes and files of a row, joined by ":"; a single pattern,
because it is matched a million times. A manifest may be a stranger's, and must name no other
files."""


@dataclass(frozen=True, kw_only=True)
class FaceRecord:
    """One row of the manifest.

    Attributes:
        id: sha256 of the original bytes, in hexadecimal.
        label: "real" or "generated".
        source: name of the folder or generator that it came from.
        file: its name at the source.
        status: "accepted" or "rejected".
        reason: why it was rejected; empty for accepted images.
        group: id of the group that never crosses a split; empty until the groups are made.
        split: "train", "validation", "hold-out", or "quarantine"; empty until the splits are made.
        original, image: paths of the unchanged original and of the canonical picture, relative to
            the data set's folder.
        format, mode, width, height, bytes, quality: of the original, as in `decode.DecodedFace`.
        crop: how the square was cut, a name in `decode.CROPS`.
        phash, phash_mirrored: 64-bit perceptual hashes of the square and of its mirror image, in
            hexadecimal.
        thumbnail: small grey picture, a WebP file in base64, by which cropped copies are found;
            empty in rows of an older version.
        person, prompt, seed, generator, source_image: provenance; images that share one belong to
            one group.
        attributes: attributes in the prompt, by name ("age", "lighting", ...).
        drawn_with: settings and library versions of the generator, enough to generate the image
            again.
    """

    id: str
    label: ImageClass
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
    thumbnail: str = ""
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
    def rejection_kind(self) -> str:
        """Return the reason without the part that differs from image to image."""
        if self.reason.startswith("duplicate"):
            return "duplicate"
        return self.reason.partition(":")[0]

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Identify a row across runs of the collection."""
        return self.label, self.source, self.file, self.id


def manifest_path(folder: Path) -> Path:
    return folder / "manifest.jsonl"


def read_manifest(folder: Path) -> list[FaceRecord]:
    """Read every row; skip an unfinished last line, which a crash leaves, and warn about it once.

    Raises:
        PlainError: there is no manifest, or a line in its middle is damaged.
    """
    path = manifest_path(folder)
    if not path.is_file():
        raise console.PlainError(
            f"{folder} holds no data set (no manifest.jsonl). Run python -m data_collection first."
        )
    decoder = msgspec.json.Decoder(FaceRecord)
    with path.open("rb") as file, _pause_garbage_collection():
        rows = [
            _parse_row(line, decoder, number, path)
            for number, line in enumerate(file, 1)
            if line.endswith(b"\n") and not line.isspace()
        ]
        if _find_end_of_lines(file) < file.seek(0, os.SEEK_END):
            _warn_unfinished_line(path.absolute())
        return rows


@functools.cache
def _warn_unfinished_line(path: Path) -> None:
    console.print_warning(
        f"The last line of {path} is unfinished, probably after a crash. Run the collection again "
        "to repair it."
    )


@contextlib.contextmanager
def _pause_garbage_collection() -> Iterator[None]:
    """Pause garbage collection: rows hold no cycles, and searching for them takes longer than
    reading a million rows."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _parse_row(line: bytes, decoder: msgspec.json.Decoder, number: int, path: Path) -> FaceRecord:
    try:
        try:
            # A million rows in 5 s; the standard library needs three times as long.
            record = decoder.decode(line)
        except msgspec.DecodeError:
            # Only the standard library reads file names that are not UTF-8.
            record = checked_json.parse_json_as(line, FaceRecord)
        if not _match_valid_row(
            f"{record.label}:{record.id}:{record.status}:{record.phash}:{record.phash_mirrored}"
            f":{record.original}:{record.image}"
        ):
            raise ValueError
        return record
    except ValueError:
        raise build_damaged_line_error(number, path) from None


def build_damaged_line_error(number: int, path: Path) -> console.PlainError:
    return console.PlainError(
        f"Line {number} of {path} is damaged. Restore the file from a copy, or collect under "
        "another --dataset name.",
        console.EXIT_DISK,
    )


def append_records(folder: Path, records: Iterable[FaceRecord]) -> None:
    """Append rows and return once they are on disk; a torn last line is cut off first."""
    lines = "".join(_format_row(record) for record in records)
    with manifest_path(folder).open("ab+") as file:
        file.truncate(_find_end_of_lines(file))
        file.write(lines.encode())
        file.flush()
        os.fsync(file.fileno())


def _find_end_of_lines(file: BinaryIO, block: int = 65_536) -> int:
    """Return where the last complete line ends; search from the end, because a manifest may be
    large."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - block)
        file.seek(start)
        offset = file.read(end - start).rfind(b"\n")
        if offset >= 0:
            return start + offset + 1
        end = start
    return 0


def replace_records(folder: Path, records: Iterable[FaceRecord]) -> None:
    write_atomically(
        manifest_path(folder), "".join(_format_row(record) for record in records).encode()
    )


def _format_row(record: FaceRecord) -> str:
    return json.dumps(dataclasses.asdict(record)) + "\n"


def flush_parent_folders(folder: Path, records: Iterable[FaceRecord]) -> None:
    """Return once the names of these rows' files and of their folders are on disk."""
    files = [
        PurePosixPath(name)
        for record in records
        for name in (record.original, record.image)
        if name
    ]
    for parent in {parent for file in files for parent in file.parents}:
        flush_to_disk(folder / parent)


def select_accepted(records: Iterable[FaceRecord], *splits: Split) -> list[FaceRecord]:
    """Return the accepted rows of the given splits, in a fixed order."""
    return sorted(
        (r for r in records if r.accepted and r.split in splits), key=lambda record: record.id
    )


def compute_fingerprint(records: Iterable[FaceRecord]) -> str:
    """Return the sha256 of everything that decides a training: id, label, source, group and split
    of every accepted image."""
    rows = sorted((r.id, r.label, r.source, r.group, r.split) for r in records if r.accepted)
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
