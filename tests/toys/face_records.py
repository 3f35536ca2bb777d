"""Rows of a toy data set whose originals and canonical pictures lie on disk."""

from pathlib import Path

import numpy as np

from data_collection.dataset import manifest
from data_collection.dataset.manifest import FaceRecord, ImageClass, Split
from data_collection.images import canonical, decode
from runtime import atomic_files, hashing
from toys.images import encode_image, make_image

RECORD_SIDE_PX = 64
SPLIT_CYCLE = ("train", "train", "train", "train", "validation", "hold-out")


def write_toy_record(
    folder: Path, number: int, label: ImageClass, split: Split, **facts: object
) -> FaceRecord:
    """Write the original and the canonical picture of one toy; return its row, with hashes far from
    all others."""
    generated = label == "generated"
    data = encode_image(
        make_image(number + 10_000 * generated, 96, generated), "PNG" if generated else "JPEG"
    )
    decoded, name = decode.decode_face(data), hashing.hash_bytes(data)
    stem, suffix = f"{label}/{name[:2]}/{name}", "png" if generated else "jpg"
    paths = {"original": f"originals/{stem}.{suffix}", "image": f"images/{stem}.jpg"}
    atomic_files.write_atomically(folder / paths["original"], data)
    atomic_files.write_atomically(
        folder / paths["image"], canonical.encode_canonical_jpeg(decoded, name, RECORD_SIDE_PX)
    )
    hashes = np.random.default_rng([number, generated]).integers(2**63, size=2)
    fields = {
        "format": decoded.format,
        "mode": "RGB",
        "width": 96,
        "height": 96,
        "quality": decoded.quality,
        "bytes": len(data),
    }
    fields |= {
        "group": name,
        "split": split,
        "phash": f"{hashes[0]:016x}",
        "phash_mirrored": f"{hashes[1]:016x}",
    }
    return FaceRecord(
        id=name,
        label=label,
        source="a folder",
        file=f"{number}.jpg",
        status="accepted",
        **{**fields, **paths, **facts},
    )


def write_toy_records(folder: Path, count: int, **facts: object) -> list[FaceRecord]:
    return [
        write_toy_record(folder, number, label, SPLIT_CYCLE[number % len(SPLIT_CYCLE)], **facts)
        for label in manifest.LABELS
        for number in range(count)
    ]
