"""The collected data set as training sees it: without its hold-out."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_collection import console, manifest, splits
from data_collection.manifest import FaceRecord


@dataclass(frozen=True)
class Dataset:
    """A collected data set without its hold-out; labels are 1 for generated."""

    folder: Path
    image_size: int
    records: list[FaceRecord]
    train: list[FaceRecord]
    validation: list[FaceRecord]

    @staticmethod
    def labels(records: Sequence[FaceRecord]) -> np.ndarray:
        return np.array([record.label == "generated" for record in records], dtype=np.int64)


def read(data: Path, named: Path | None) -> Dataset:
    """Reads the data set that a person names (by path, or by name inside `data`), or the one collected last.

    Raises:
        PlainError: there is none, it was altered, or a split of it lacks a class.
    """
    folder = _newest(data) if named is None else (data / named if not named.exists() else named)
    records = manifest.read(folder)
    splits.check(records, splits.read(folder))
    dataset = Dataset(
        folder,
        json.loads((folder / "settings.json").read_bytes())["frozen"]["image_size"],
        records,
        manifest.accepted(records, "train"),
        manifest.accepted(records, "validation"),
    )
    for name, part in (("train", dataset.train), ("validation", dataset.validation)):
        if {record.label for record in part} != set(manifest.LABELS):
            raise console.PlainError(f"The {name} split of {folder} lacks a class; collect more images.")
    console.say(f"{folder}: {len(dataset.train)} images to train, {len(dataset.validation)} to validate.")
    return dataset


def _newest(data: Path) -> Path:
    found = [path.parent for path in data.glob("*/manifest.jsonl")]
    if not found:
        raise console.PlainError(f"{data} holds no data set; run python -m data_collection first.")
    return max(found, key=lambda folder: manifest.manifest_path(folder).stat().st_mtime)
