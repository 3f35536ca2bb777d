"""Read the originals and canonical images of a data set, checked against the manifest."""

from pathlib import Path

from PIL import Image

from data_collection.dataset.manifest import FaceRecord
from data_collection.images import decode
from runtime import console, hashing


def read_original(folder: Path, record: FaceRecord) -> bytes:
    """Return the original bytes of a row, checked against its id.

    Raises:
        PlainError: the file is missing or was altered since it was collected.
    """
    data, fault = read_original_with_fault(folder, record)
    if fault:
        raise console.PlainError(
            f"{folder / record.original} {fault}; restore it from a copy, or, if it is from a "
            "folder of yours, delete it and collect again.",
            console.EXIT_DISK,
        )
    return data


def read_original_with_fault(folder: Path, record: FaceRecord) -> tuple[bytes, str]:
    """Return the original bytes of a row and their fault; an empty string if they are
    unchanged."""
    path = folder / record.original
    if not path.is_file():
        return b"", "is no file" if path.exists() else "is missing"
    # A collection takes no larger file, so this one is not read into the memory.
    if path.stat().st_size > decode.MAX_IMAGE_BYTES:
        return b"", "was altered since it was collected"
    data = path.read_bytes()
    is_unchanged = hashing.hash_bytes(data) == record.id
    return data, "" if is_unchanged else "was altered since it was collected"


def read_canonical_image(folder: Path, record: FaceRecord) -> Image.Image:
    """Return the canonical image of a row.

    Raises:
        PlainError: it is missing or damaged.
    """
    path = folder / record.image
    try:
        if not path.is_file():  # opening a pipe waits for its writer
            raise FileNotFoundError
        with Image.open(path, formats=("JPEG",)) as image:
            return image.convert("RGB")
    except OSError:
        raise console.PlainError(
            f"{path} is missing or damaged; restore it, or collect the data set again.",
            console.EXIT_DISK,
        ) from None
