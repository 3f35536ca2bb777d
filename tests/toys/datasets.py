"""Data sets of toy originals: rows whose files lie in one folder, each image a group of its own."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from data_collection.audit import audit_file
from data_collection.audit.audit import Audit, SizeAudit
from data_collection.dataset import manifest, splits
from data_collection.dataset.frozen_settings import FrozenSettings, write_frozen_settings
from data_collection.dataset.manifest import FaceRecord
from data_collection.images import decode
from data_collection.settings import CollectionSettings
from runtime import atomic_files, hashing
from toys import face_records


def write_originals(folder: Path, faces: Sequence[tuple[str, bytes]]) -> list[FaceRecord]:
    """Write originals, given with their labels, and return their rows, all of train."""
    rows = []
    for number, (label, data) in enumerate(faces):
        face = decode.decode_face(data)
        name = hashing.hash_bytes(data)
        original = f"originals/{label}/{name[:2]}/{name}.{face.format.lower()}"
        atomic_files.write_atomically(folder / original, data)
        facts = {
            name: getattr(face, name) for name in ("format", "mode", "width", "height", "quality")
        }
        row = FaceRecord(
            id=name,
            label=label,
            source="toy",
            file=str(number),
            status="accepted",
            original=original,
            **facts,
        )
        rows.append(
            dataclasses.replace(row, group=f"group {number}", split="train", bytes=len(data))
        )
    return rows


def collect_records(folder: Path, records: list[FaceRecord]) -> None:
    """Write the data set's files as a collection does, for rows that have their splits."""
    manifest.replace_records(folder, records)
    frozen = splits.SplitAssignments(
        shares={}, groups={record.group: record.split for record in records}
    )
    splits.seal_hold_out(records, frozen)
    splits.write_splits(folder, frozen)
    settings = CollectionSettings(image_size=face_records.RECORD_SIDE_PX)
    write_frozen_settings(folder, FrozenSettings.from_settings(settings))


def write_toy_audit(folder: Path, status: str, size: int) -> None:
    """Write an audit of this status, at one size, that measured nothing."""
    of_size = SizeAudit(
        size=size, status=status, sentence="", as_trained=[], placebo=[], confirmations=[]
    )
    audit = Audit(
        sizes=[of_size],
        as_collected=[],
        file_differences=[],
        images={},
        groups={},
        fingerprint=manifest.compute_fingerprint(manifest.read_manifest(folder)),
    )
    audit_file.write_audit(folder, audit)
