"""Runs the frozen base once per image and view and keeps its tapped features on disk.

A frozen base is a pure function, so its outputs are a data set. On the CPU it runs in ONNX Runtime
(three times faster than TensorFlow for MobileNetV2), on a GPU in Keras; both from the same graph
that the detector is made of.
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
"""Bytes of features that are held in memory; more are mapped from disk."""


@dataclass(frozen=True)
class FeatureTable:
    """Features of many images.

    Attributes:
        base: name in BASE_MODELS.
        columns: what the numbers are.
        values: float32, shape (images, views, width).
        forward_passes: passes through the base that this run needed: images x views that were not
            cached.
    """

    base: str
    columns: list[Column]
    values: np.ndarray
    forward_passes: int


def load_or_compute_features(
    folder: Path,
    records: Sequence[FaceRecord],
    extractor: Extractor,
    views: int,
    processing: SourceProcessing | None = None,
) -> FeatureTable:
    """Features of the records' views 0 to views - 1; computes what the cache does not hold, and
    keeps it.

    Args:
        folder: the data set's folder.
        processing: what the pictures go through first, as if another source had published them.

    Raises:
        PlainError: an original is missing or was altered, the disk has no room, or there is no Ray.
    """
    cache = folder / "features" / extractor.name / (processing.name if processing else "")
    values = _allocate_table(cache, (len(records), views, extractor.width))
    missing = _read_cached_features(cache, records, values)
    if missing and extractor.engine == "ray":
        from training.features import ray_features

        ray_features.compute_features_on_ray(folder, missing, extractor, cache, processing)
        if _read_cached_features(cache, records, values):
            raise console.PlainError(
                f"What Ray's workers wrote did not arrive in {cache}; all machines have to share that folder."
            )
    else:
        place = {record.id: row for row, record in enumerate(records)}
        for record, view, vector in compute_missing_features(
            folder, missing, extractor, cache, processing
        ):
            values[place[record.id], view] = vector
    return FeatureTable(extractor.weights.base, extractor.columns, values, len(missing))


def _read_cached_features(
    cache: Path, records: Sequence[FaceRecord], values: np.ndarray
) -> list[tuple[FaceRecord, int]]:
    """Fills in what the cache holds; returns the views of images that it lacks, a view after the
    other."""
    place, views = {record.id: row for row, record in enumerate(records)}, values.shape[1]
    have = np.zeros((len(records), views), dtype=bool)
    for ids, view, chunk in read_feature_chunks(cache, values.shape[2]):
        for row, face_id in enumerate(ids):
            if view < views and face_id in place:
                values[place[face_id], view] = chunk[row]
                have[place[face_id], view] = True
    return [
        (record, view)
        for view in range(views)
        for row, record in enumerate(records)
        if not have[row, view]
    ]


def check_free_space(folder: Path, needed: int, otherwise: str) -> None:
    """Raises PlainError if fewer bytes are free: a mapped file that outgrows the disk would end the
    process without a word."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise console.PlainError(
            f"{folder} needs {needed / 1e6:,.0f} MB, {free / 1e6:,.0f} are free; make room, or {otherwise}.",
            console.EXIT_DISK,
        )


def _allocate_table(cache: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """float32, in memory; where it would be larger than IN_MEMORY, mapped to a file that is gone
    when this process ends."""
    needed = 4 * math.prod(shape)
    if needed <= MAX_TABLE_BYTES_IN_MEMORY:
        return np.empty(shape, dtype=np.float32)
    cache.mkdir(parents=True, exist_ok=True)
    check_free_space(cache, needed, "take fewer --views, --sizes or --signals")
    with tempfile.NamedTemporaryFile(dir=cache, prefix=".table-") as file:
        return advise_random_access(np.memmap(file, dtype=np.float32, mode="w+", shape=shape))


def advise_random_access(mapped: np.memmap) -> np.memmap:
    """Tells the system that rows are read in no order, or it would read thirty others with each
    that is not in memory."""
    if hasattr(mmap, "MADV_RANDOM"):
        mapped._mmap.madvise(mmap.MADV_RANDOM)
    return mapped
