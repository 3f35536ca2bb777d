"""Data sets of toy originals: rows whose files lie in one folder, each image a group of its own."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from data_collection.dataset.manifest import FaceRecord
from data_collection.images import decode
from runtime import hashing


def write_originals(folder: Path, faces: Sequence[tuple[str, bytes]]) -> list[FaceRecord]:
    """Write originals, given with their labels, and return their rows, all of train."""
    rows = []
    for number, (label, data) in enumerate(faces):
        face = decode.decode_face(data)
        (folder / str(number)).write_bytes(data)
        facts = {
            name: getattr(face, name) for name in ("format", "mode", "width", "height", "quality")
        }
        row = FaceRecord(
            id=hashing.hash_bytes(data),
            label=label,
            source="toy",
            file=str(number),
            status="accepted",
            original=str(number),
            **facts,
        )
        rows.append(
            dataclasses.replace(row, group=f"group {number}", split="train", bytes=len(data))
        )
    return rows
