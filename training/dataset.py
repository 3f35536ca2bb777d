"""The collected data set as training sees it: without its hold-out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_collection.dataset import manifest, splits
from data_collection.dataset.frozen_settings import read_frozen_settings
from data_collection.dataset.manifest import FaceRecord
from runtime import console


@dataclass(frozen=True)
class Dataset:
    """A collected data set without its hold-out; labels are 1 for generated."""

    folder: Path
    image_size: int
    records: list[FaceRecord]
    train: list[FaceRecord]
    validation: list[FaceRecord]

    @staticmethod
    def encode_labels(records: Sequence[FaceRecord]) -> np.ndarray:
        return np.array([record.label == "generated" for record in records], dtype=np.int64)


def find_dataset_folder(data: Path, named: Path) -> Path:
    """The data set that a person names by path, or by name inside `data`.

    Raises:
        PlainError: there is none.
    """
    for folder in (named, data / named):
        if manifest.manifest_path(folder).is_file():
            return folder
    raise console.PlainError(
        f"{named} holds no data set; name the folder that manifest.jsonl lies in with --dataset."
    )


def load_dataset(data: Path, named: Path | None) -> Dataset:
    """Reads the named data set, or the one collected last.

    Raises:
        PlainError: there is none, it was altered, or a split of it lacks a class.
    """
    folder = _find_newest_dataset(data) if named is None else find_dataset_folder(data, named)
    records = manifest.read_manifest(folder)
    splits.check_splits(records, splits.read_splits(folder))
    dataset = Dataset(
        folder,
        read_frozen_settings(folder).image_size,
        records,
        manifest.select_accepted(records, "train"),
        manifest.select_accepted(records, "validation"),
    )
    for name, part in (("train", dataset.train), ("validation", dataset.validation)):
        if {record.label for record in part} != set(manifest.LABELS):
            raise console.PlainError(
                f"The {name} split of {folder} lacks a class; collect more images."
            )
    console.print_message(
        f"{folder}: {len(dataset.train)} images to train, {len(dataset.validation)} to validate."
    )
    return dataset


def _find_newest_dataset(data: Path) -> Path:
    found = [path.parent for path in data.glob("*/manifest.jsonl")]
    if not found:
        raise console.PlainError(f"{data} holds no data set; run python -m data_collection first.")
    return max(found, key=lambda folder: manifest.manifest_path(folder).stat().st_mtime)
