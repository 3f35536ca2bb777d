"""Check that every file of a data set is unchanged since it was collected."""

import concurrent.futures
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from data_collection.dataset import manifest, splits, stored_images
from data_collection.dataset.manifest import FaceRecord
from runtime import console

VERIFICATION_BATCH_IMAGES = 256


def verify_dataset(folder: Path) -> bool:
    """Check every original against its id and decode every canonical image; list missing and
    altered files. Return whether there are none.

    Raises:
        PlainError: there is no data set, or its manifest is damaged.
    """
    records = manifest.read_manifest(folder)
    console.print_heading("Verification")
    faces = [record for record in records if record.accepted]
    checks = console.track_progress(_check_images(folder, faces), "images", len(faces))
    faults = [fault for image_faults in checks for fault in image_faults]
    faults += _check_hold_out(folder, records)
    if faults:
        console.print_table(f"{folder}: not as it was collected", ["file", "what is wrong"], faults)
        console.print_message(
            "Restore these files from a copy. To restore one that came from a folder of yours, "
            "delete it and collect again."
        )
    else:
        console.print_message(
            f"All {len(faces)} images of {folder} are as they were collected, and so is the "
            "hold-out."
        )
    return not faults


def _check_hold_out(folder: Path, records: Sequence[FaceRecord]) -> list[tuple[str, str]]:
    try:
        splits.check_splits(records, splits.read_splits(folder))
    except console.PlainError as error:
        return [(splits.splits_path(folder).name, str(error))]
    return []


def _check_images(folder: Path, faces: Sequence[FaceRecord]) -> Iterator[list[tuple[str, str]]]:
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as cores:
        for start in range(0, len(faces), VERIFICATION_BATCH_IMAGES):
            yield from cores.map(
                lambda face: _check_image_files(folder, face),
                faces[start : start + VERIFICATION_BATCH_IMAGES],
            )


def _check_image_files(folder: Path, face: FaceRecord) -> list[tuple[str, str]]:
    """Return path and fault of those of an image's two files that are missing or altered."""
    faults = [
        (face.original, _check_original(folder, face)),
        (face.image, _check_canonical_image(folder, face)),
    ]
    return [(name, fault) for name, fault in faults if fault]


def _check_original(folder: Path, face: FaceRecord) -> str:
    try:
        return stored_images.read_original_with_fault(folder, face)[1]
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _check_canonical_image(folder: Path, face: FaceRecord) -> str:
    try:
        stored_images.read_canonical_image(folder, face)
    except console.PlainError:
        return "is damaged" if (folder / face.image).exists() else "is missing"
    return ""
