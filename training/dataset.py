"""Load a collected data set for training, without its hold-out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_collection.dataset import manifest, source_names, splits
from data_collection.dataset.frozen_settings import read_frozen_settings
from data_collection.dataset.manifest import FaceRecord
from data_collection.stored_datasets import location
from runtime import console


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A collected data set without its hold-out.

    Attributes:
        image_size: side of the canonical pictures in pixels.
        records: all rows of the manifest.
        train, validation: accepted images of these splits.
    """

    folder: Path
    image_size: int
    records: list[FaceRecord]
    train: list[FaceRecord]
    validation: list[FaceRecord]

    def choose_side(self, sizes: Sequence[int]) -> int:
        """Return the side of the pictures that a base with these input sizes is given, in pixels.

        A picture smaller than an input is enlarged inside the model, alike for both classes.
        """
        return min(max(sizes), self.image_size)

    @staticmethod
    def encode_labels(records: Sequence[FaceRecord]) -> np.ndarray:
        """Return 1 for generated and 0 for real, int64 (n,)."""
        return np.array([record.label == "generated" for record in records], dtype=np.int64)


def load_dataset(data: Path, named: Path | None) -> Dataset:
    """Load the named data set, or the one collected last.

    Raises:
        PlainError: there is none, it was altered, or one of its splits lacks a class.
    """
    folder = find_dataset(data, named)
    records = manifest.read_manifest(folder)
    splits.check_splits(records, splits.read_splits(folder))
    dataset = Dataset(
        folder=folder,
        image_size=read_frozen_settings(folder).image_size,
        records=records,
        train=manifest.select_accepted(records, "train"),
        validation=manifest.select_accepted(records, "validation"),
    )
    for name, split in (("train", dataset.train), ("validation", dataset.validation)):
        if {record.label for record in split} != set(manifest.LABELS):
            raise console.PlainError(
                f"The {name} split of {folder} lacks a class. Collect more images."
            )
    accepted = manifest.select_accepted(records, *splits.SPLITS)
    source_names.warn_of_similar_names((record.label, record.source) for record in accepted)
    console.print_message(
        f"{folder}: {len(dataset.train)} images for training, {len(dataset.validation)} for "
        "validation."
    )
    return dataset


def find_dataset(data: Path, named: Path | None) -> Path:
    """Return the folder of the named data set, or of the one collected last.

    Raises:
        PlainError: there is none.
    """
    if named is not None:
        return location.find_dataset_folder(data, named)
    folders = [path.parent for path in data.glob("*/manifest.jsonl")]
    if not folders:
        raise console.PlainError(f"{data} holds no data set. Run python -m data_collection first.")
    return max(folders, key=lambda folder: manifest.manifest_path(folder).stat().st_mtime)
