"""Remove a source from a data set: its rows, then its files. The splits of the others stay.

The rows go first, at one stroke: a run that is interrupted leaves files that no row names, and the
same command deletes them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_collection.dataset import manifest, splits
from data_collection.dataset.manifest import FaceRecord
from runtime import atomic_files, console
from runtime.commands.suggestions import find_close_names
from runtime.terminal.counting import format_count

IMAGE_FOLDERS = ("originals", "images")
AUDIT_FILES = ("audit.json", "audit.html")
"""They tell of the images that go and show some; an audit writes them again."""


@dataclass(frozen=True)
class Removal:
    """Counts of a removal.

    Attributes:
        images: accepted images of the source.
        rows: rows of the source, rejected ones included.
        files: deleted files.
        reopened: rejected rows of other sources that were copies of its images; the next
            collection examines these files again.
    """

    images: int
    rows: int
    files: int
    reopened: int


def remove_source(folder: Path, source: str) -> Removal:
    """Remove the rows and files of a source.

    The hold-out is sealed again without them; how often it was opened stays. Groups keep their
    splits, so an image that comes back gets its old one.

    Raises:
        PlainError: there is no data set, it has no such source, or another command is writing it.
    """
    manifest.read_manifest(folder)  # before the lock creates a folder
    with atomic_files.lock_folder(folder):
        records = manifest.read_manifest(folder)
        removed = [record for record in records if record.source == source]
        kept, n_reopened = _select_kept(records, removed)
        if removed:
            for name in AUDIT_FILES:
                (folder / name).unlink(missing_ok=True)
            _write_rows(folder, kept)
        n_files = _delete_unnamed_files(folder, kept)
    if not removed and not n_files:
        raise _make_unknown_source_error(folder, source, records)
    n_images = sum(record.accepted for record in removed)
    return Removal(images=n_images, rows=len(removed), files=n_files, reopened=n_reopened)


def remove_and_print(folder: Path, source: str) -> None:
    """Remove a source; print the counts of what went and of what is left.

    Raises:
        PlainError: as `remove_source` raises it.
    """
    removal = remove_source(folder, source)
    left = Counter(record.label for record in manifest.read_manifest(folder) if record.accepted)
    counts = " and ".join(f"{left[label]:,} {label}" for label in manifest.LABELS)
    console.print_message(
        f"{folder}: removed {format_count(removal.images, 'image')} of {source} "
        f"({format_count(removal.rows, 'row')}, {format_count(removal.files, 'file')}); {counts} "
        "images are left."
    )
    if removal.reopened:
        console.print_message(
            "The next collection examines again what was rejected in other sources as a copy of "
            f"these: {format_count(removal.reopened, 'image')}."
        )
    console.print_message(
        "Detectors that were trained on this data set cannot be validated on its hold-out any "
        "more if that has changed; train again."
    )


def _select_kept(
    records: Sequence[FaceRecord], removed: Sequence[FaceRecord]
) -> tuple[list[FaceRecord], int]:
    """Return the rows that stay, and the number of those that go as copies of removed images."""
    gone = {record.key for record in removed}
    removed_ids = {record.id for record in removed}
    others = [record for record in records if record.key not in gone]
    # An exact copy was rejected for the sake of an image that goes now.
    kept = [record for record in others if record.accepted or record.id not in removed_ids]
    return kept, len(others) - len(kept)


def _write_rows(folder: Path, kept: Sequence[FaceRecord]) -> None:
    if splits.splits_path(folder).exists():
        frozen = splits.read_splits(folder)
        splits.seal_hold_out(kept, frozen)
        splits.write_splits(folder, frozen)
    manifest.replace_records(folder, kept)


def _delete_unnamed_files(folder: Path, kept: Sequence[FaceRecord]) -> int:
    """Delete the files of images that no row names; return their number."""
    named = {name for record in kept for name in (record.original, record.image)}
    paths = [
        path
        for subfolder in IMAGE_FOLDERS
        for path in (folder / subfolder).rglob("*")
        if path.is_file() and path.relative_to(folder).as_posix() not in named
    ]
    for path in paths:
        path.unlink()
    return len(paths)


def _make_unknown_source_error(
    folder: Path, source: str, records: Sequence[FaceRecord]
) -> console.PlainError:
    names = sorted({record.source for record in records})
    close = find_close_names(source, names)
    meant = f"did you mean {close[0]}? " if close else ""
    return console.PlainError(
        f"{folder} has no source {source}; {meant}Its sources are {', '.join(names)}."
    )
