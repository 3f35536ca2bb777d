"""Run a frozen base once per image and view, and cache its features on disk.

A frozen base is a pure function, so its outputs are a data set. On a CPU it runs in ONNX Runtime
(three times faster than TensorFlow for MobileNetV2), on a GPU in Keras; both run the same graph as
the detector.
"""

import math
import mmap
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_collection.dataset.manifest import FaceRecord
from data_collection.dataset.source_processing import SourceProcessing
from runtime import console
from training.features.compute_features import compute_missing_features, read_feature_chunks
from training.features.extractor import Extractor
from training.features.layout import Column

MAX_TABLE_BYTES_IN_MEMORY = 1 << 30
"""Larger tables of features are mapped from disk."""


@dataclass(frozen=True)
class FeatureTable:
    """Features of many images.

    Attributes:
        base: name in BASE_MODELS.
        columns: of the feature vector.
        values: float32, shape (images, views, width).
        forward_passes: images x views that this run computed because they were not cached.
    """

    base: str
    columns: list[Column]
    values: np.ndarray
    forward_passes: int


def load_or_compute_features(
    folder: Path,
    records: Sequence[FaceRecord],
    extractor: Extractor,
    views: Sequence[int],
    processing: SourceProcessing | None = None,
) -> FeatureTable:
    """Load the features of these views; compute and cache the missing ones.

    Args:
        folder: of the data set.
        views: as `canonical.encode_canonical_jpeg` numbers them, in the order of the table.
        processing: applied to the images first, as if another source had published them.

    Raises:
        PlainError: an original is missing or was altered, the disk is full, or Ray is missing.
    """
    cache = folder / "features" / extractor.name / (processing.name if processing else "")
    values = _allocate_table(cache, (len(records), len(views), extractor.width))
    missing = _read_cached_features(cache, records, views, values)
    if missing and extractor.engine == "ray":
        from training.features import ray_features

        ray_features.compute_features_on_ray(folder, missing, extractor, cache, processing)
        if _read_cached_features(cache, records, views, values):
            raise console.PlainError(
                f"The files of Ray's workers did not arrive in {cache}. Put the data set on a file "
                "system that all machines of the cluster share."
            )
    else:
        rows = {record.id: row for row, record in enumerate(records)}
        for record, view, vector in compute_missing_features(
            folder, missing, extractor, cache, processing
        ):
            values[rows[record.id], views.index(view)] = vector
    return FeatureTable(extractor.weights.base, extractor.columns, values, len(missing))


def _read_cached_features(
    cache: Path, records: Sequence[FaceRecord], views: Sequence[int], values: np.ndarray
) -> list[tuple[FaceRecord, int]]:
    """Copy cached features into `values`; return the missing records with views, image by image."""
    rows = {record.id: row for row, record in enumerate(records)}
    is_cached = np.zeros((len(records), len(views)), dtype=bool)
    for ids, view, chunk in read_feature_chunks(cache, values.shape[2]):
        if view not in views:
            continue
        column = views.index(view)
        for chunk_row, record_id in enumerate(ids):
            if record_id in rows:
                values[rows[record_id], column] = chunk[chunk_row]
                is_cached[rows[record_id], column] = True
    return [
        (record, view)
        for row, record in enumerate(records)
        for column, view in enumerate(views)
        if not is_cached[row, column]
    ]


def check_free_space(folder: Path, n_bytes: int, alternative: str) -> None:
    """Check that so many bytes are free.

    Writing to a mapped file that outgrows the disk would end the process without a message.

    Args:
        alternative: completes the advice "Make room, or ...".

    Raises:
        PlainError: fewer bytes are free.
    """
    n_free = shutil.disk_usage(folder).free
    if n_bytes > n_free:
        raise console.PlainError(
            f"{folder} needs {n_bytes / 1e6:,.0f} MB, but only {n_free / 1e6:,.0f} MB are free. "
            f"Make room, or {alternative}.",
            console.EXIT_DISK,
        )


def _allocate_table(cache: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """Return an uninitialised float32 table, in memory or mapped to a file in the cache.

    The mapped file is deleted at once; its space is free again when this process ends.
    """
    n_bytes = 4 * math.prod(shape)
    if n_bytes <= MAX_TABLE_BYTES_IN_MEMORY:
        return np.empty(shape, dtype=np.float32)
    cache.mkdir(parents=True, exist_ok=True)
    check_free_space(cache, n_bytes, "take fewer --views, --sizes or --signals")
    with tempfile.NamedTemporaryFile(dir=cache, prefix=".table-") as file:
        return advise_random_access(np.memmap(file, dtype=np.float32, mode="w+", shape=shape))


def advise_random_access(mapped: np.memmap) -> np.memmap:
    """Tell the system that rows are read in random order; return the array.

    Otherwise it reads thirty more rows with each one that is not in memory.
    """
    if hasattr(mmap, "MADV_RANDOM"):
        mapped._mmap.madvise(mmap.MADV_RANDOM)
    return mapped
