"""Rows of a toy data set whose originals and canonical pictures lie on disk."""

from pathlib import Path

import numpy as np

from data_collection import face_images, manifest
from data_collection.manifest import FaceRecord
from toys import encoded, picture

SIDE = 64
SPLITS = ("train", "train", "train", "train", "validation", "hold-out")


def face(folder: Path, number: int, label: str, split: str, **facts: object) -> FaceRecord:
    """Writes the original and the canonical picture of one toy, and returns its row with hashes that are near no other's."""
    generated = label == "generated"
    data = encoded(picture(number + 10_000 * generated, 96, generated), "PNG" if generated else "JPEG")
    decoded, name = face_images.decode(data), face_images.content_id(data)
    places = {"original": f"originals/{name}", "image": f"images/{name}.jpg"}
    manifest.write_whole(folder / places["original"], data)
    manifest.write_whole(folder / places["image"], face_images.canonical_jpeg(decoded, name, SIDE))
    hashes = np.random.default_rng([number, generated]).integers(2**63, size=2)
    known = {"format": decoded.format, "mode": "RGB", "width": 96, "height": 96, "quality": decoded.quality, "bytes": len(data)}
    known |= {"group": name, "split": split, "phash": f"{hashes[0]:016x}", "phash_mirrored": f"{hashes[1]:016x}"}
    return FaceRecord(name, label, "a folder", f"{number}.jpg", "accepted", **{**known, **places, **facts})


def faces(folder: Path, count: int, **facts: object) -> list[FaceRecord]:
    return [
        face(folder, number, label, SPLITS[number % len(SPLITS)], **facts)
        for label in manifest.LABELS
        for number in range(count)
    ]
