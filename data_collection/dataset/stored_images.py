"""Read the originals and canonical images of a data set, checked against the manifest."""

from pathlib import Path

from PIL import Image

from data_collection.dataset.manifest import FaceRecord
from runtime import console, hashing


def read_original(folder: Path, record: FaceRecord) -> bytes:
    """Return the original bytes of a row, checked against its id.

    Raises:
        PlainError: the file is missing or was altered since it was collected.
    """
    data, wrong = read_original_with_fault(folder, record)
    if wrong:
        raise console.PlainError(
            f"{folder / record.original} {wrong}; restore it from a copy, or, if it is from a "
            "folder of yours, delete it and "
            "collect again.",
            console.EXIT_DISK,
        )
    return data


def read_original_with_fault(folder: Path, record: FaceRecord) -> tuple[bytes, str]:
    """Return the original bytes of a row and what is wrong with them, in words; empty if they
    are unchanged."""
    try:
        data = (folder / record.original).read_bytes()
    except FileNotFoundError:
        return b"", "is missing"
    return data, "" if hashing.hash_bytes(
        data
    ) == record.id else "was altered since it was collected"


def read_canonical_image(folder: Path, record: FaceRecord) -> Image.Image:
    """Return the canonical image of a row.

    Raises:
        PlainError: it is missing or damaged.
    """
    try:
        with Image.open(folder / record.image, formats=("JPEG",)) as image:
            return image.convert("RGB")
    except OSError:
        sentence = (
            f"{folder / record.image} is missing or damaged; restore it, or collect the "
            "data set again."
        )
        raise console.PlainError(sentence, console.EXIT_DISK) from None
