"""Records of several sources, one of which makes images that look like photographs."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from data_collection.dataset.manifest import FaceRecord
from toys import face_records

SOURCES = {"camera": "real", "scanner": "real", "gan": "generated", "net": "generated"}


def make_source_records(
    folder: Path, count: int = 24, sources: Mapping[str, str] = SOURCES
) -> list[FaceRecord]:
    """Return as many records of every source; a net's images look like photographs."""
    records = []
    for index, (source, label) in enumerate(sources.items()):
        for number in range(count):
            split = face_records.SPLIT_CYCLE[number % 6]
            looks = "real" if "net" in source else label
            record = face_records.write_toy_record(folder, 1000 * index + number, looks, split)
            records.append(replace(record, source=source, label=label))
    return records
