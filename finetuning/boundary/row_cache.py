"""Activations at the boundary between frozen and unfrozen blocks, computed once per image, view and
depth, and cached on disk.

Everything below the boundary is a pure function of the image. Cached in float32: with float16 the
loss drifts from that of the whole model by up to 9e-3 within ten steps (measured with MobileNetV2
at 160 px), with float32 by 5e-5.
"""

import functools
import hashlib
import json
import math
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data_collection.dataset.manifest import FaceRecord
from data_collection.images import canonical
from finetuning.boundary.split_models import PIXELS_ARRAY, Boundary, build_front
from runtime import atomic_files, checked_json, console
from training import accelerators
from training.detectors.detector_parts import DetectorParts
from training.features import extractor, feature_cache
from training.features import pixels as feature_pixels

if TYPE_CHECKING:
    import keras

FORWARD_BATCH_IMAGES = 8
ROWS_PER_CHECKPOINT = 64
"""Rows between two checkpoints; at most these are computed again after a crash."""

CHECKSUM_BLOCK_BYTES = 1 << 20
"""Bytes that are read at a time to verify cached rows."""

BOUNDARIES_FOLDER = "boundaries"
PROGRESS_FILE = "rows.json"
BOUNDARY_LAYOUT_VERSION = 2

FrontGetter = Callable[[], "keras.Model"]


@dataclass(frozen=True)
class _Progress:
    """Number of finished rows, and the CRC-32 of these in every array."""

    rows: int
    crc32: list[int]


@dataclass(frozen=True)
class BoundaryRows:
    """Arrays of shape (images, views, ...), read from disk on demand, in the order of the tail's
    inputs."""

    arrays: list[np.ndarray]

    def __getitem__(self, index: tuple[np.ndarray, np.ndarray]) -> list[np.ndarray]:
        return [np.asarray(array[index], dtype=np.float32) for array in self.arrays]


def load_or_compute_rows(
    parts: DetectorParts,
    boundary: Boundary,
    folder: Path,
    records: Sequence[FaceRecord],
    views: Sequence[int],
    get_front: FrontGetter | None = None,
) -> tuple[BoundaryRows, int]:
    """Return the boundary's rows of these images, and the number of forward passes it took.

    Args:
        folder: the data set's folder.
        views: as `canonical.encode_canonical_jpeg` numbers them.
        get_front: returns the model below the boundary, called if rows are missing; None to build
            it for these rows alone.

    Raises:
        PlainError: an original is missing or was altered, the disk has no room, or another process
            is computing rows.
    """
    with atomic_files.lock_folder(folder / BOUNDARIES_FOLDER):
        return _load_or_compute_locked(
            parts,
            boundary,
            folder,
            records,
            views,
            get_front or functools.partial(build_front, parts, boundary.tap),
        )


def _load_or_compute_locked(
    parts: DetectorParts,
    boundary: Boundary,
    folder: Path,
    records: Sequence[FaceRecord],
    views: Sequence[int],
    get_front: FrontGetter,
) -> tuple[BoundaryRows, int]:
    cache = folder / BOUNDARIES_FOLDER / _make_cache_key(parts, boundary, records, views)
    arrays = _open_arrays(cache, boundary, len(records), len(views))
    n_cached, checksums = _load_progress(cache, arrays)
    n_views = len(views)
    n_rows, n_saved = len(records) * n_views, n_cached
    if n_cached < n_rows:
        front = get_front() if boundary.tap else None
        side = parts.card.image_size
        computed = _compute_rows(front, side, folder, records, views, n_cached)
        title = f"activations at {boundary.tap}" if boundary.tap else "pixels"
        for row, values in console.track_progress(computed, title, n_rows - n_cached):
            for array, value in zip(arrays, values, strict=True):
                array[row // n_views, row % n_views] = value
            if (row + 1) % ROWS_PER_CHECKPOINT == 0 or row + 1 == n_rows:
                for array in arrays:
                    array.flush()
                checksums = [
                    _update_checksum(array, n_saved, row + 1, checksum)
                    for array, checksum in zip(arrays, checksums, strict=True)
                ]
                n_saved = row + 1
                progress = {"rows": n_saved, "crc32": checksums}
                atomic_files.write_atomically(cache / PROGRESS_FILE, json.dumps(progress).encode())
    return BoundaryRows(arrays), n_rows - n_cached


def _make_cache_key(
    parts: DetectorParts, boundary: Boundary, records: Sequence[FaceRecord], views: Sequence[int]
) -> str:
    key = [
        parts.card.sha256["detector.keras"],
        boundary.tap,
        list(views),
        [record.id for record in records],
        records[0].crop,
        canonical.CANONICALISER_VERSION,
        canonical.DECODER_VERSION,
        BOUNDARY_LAYOUT_VERSION,
        *extractor.list_engine_versions("keras"),
    ]
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:12]
    return f"{boundary.tap or PIXELS_ARRAY}-{digest}"


def _load_progress(cache: Path, arrays: Sequence[np.memmap]) -> tuple[int, list[int]]:
    """Return how many rows an earlier run has finished, and their checksum in every array; zeros
    if they are damaged."""
    no_progress = 0, [0] * len(arrays)
    try:
        progress = checked_json.parse_json_as((cache / PROGRESS_FILE).read_bytes(), _Progress)
    except FileNotFoundError:
        return no_progress
    except ValueError:
        progress = _Progress(0, [])
    if 0 < progress.rows <= math.prod(arrays[0].shape[:2]) and progress.crc32 == [
        _update_checksum(array, 0, progress.rows) for array in arrays
    ]:
        return progress.rows, progress.crc32
    console.print_warning(f"{cache} is damaged; its rows are computed again.")
    return no_progress


def _update_checksum(array: np.memmap, start: int, stop: int, checksum: int = 0) -> int:
    """Return the CRC-32 of rows `start` to `stop`, continued from that of the rows before.

    It takes .3 s a gigabyte, .7 s from disk.
    """
    row_bytes = array.itemsize * math.prod(array.shape[2:])
    with open(array.filename, "rb") as file:
        file.seek(array.offset + start * row_bytes)
        n_left = (stop - start) * row_bytes
        while n_left and (block := file.read(min(n_left, CHECKSUM_BLOCK_BYTES))):
            checksum, n_left = zlib.crc32(block, checksum), n_left - len(block)
    return checksum


def _open_arrays(cache: Path, boundary: Boundary, n_images: int, n_views: int) -> list[np.memmap]:
    """Open the arrays on disk; create them if they are missing, damaged or of another shape."""
    layouts = [
        ((n_images, n_views, *shape), np.dtype(boundary.dtype), True) for shape in boundary.shapes
    ]
    paths = [cache / f"{number}.npy" for number in range(len(layouts))]
    try:
        arrays = [np.lib.format.open_memmap(path, mode="r+") for path in paths]
        if [(array.shape, array.dtype, array.flags.c_contiguous) for array in arrays] == layouts:
            return arrays
    except Exception:  # A damaged header raises half a dozen types.
        pass
    if (cache / PROGRESS_FILE).exists():
        console.print_warning(f"{cache} is damaged; its rows are computed again.")
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(parents=True)
    needed_bytes = boundary.bytes_per_row * n_images * n_views
    feature_cache.check_free_space(
        cache, needed_bytes, "give fewer --views or a smaller --disk, which starts from the pixels"
    )
    return [
        np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        for path, (shape, dtype, _) in zip(paths, layouts, strict=True)
    ]


def _compute_rows(
    front: "keras.Model | None",
    image_size: int,
    folder: Path,
    records: Sequence[FaceRecord],
    views: Sequence[int],
    start_row: int,
) -> Iterator[tuple[int, tuple[np.ndarray, ...]]]:
    """Yield (row, values) from `start_row` on; a row is image * len(views) + index of the view."""
    n_views = len(views)
    n_rows = len(records) * n_views
    pending = [(records[row // n_views], views[row % n_views]) for row in range(start_row, n_rows)]
    row = start_row
    batches = [
        pending[start : start + FORWARD_BATCH_IMAGES]
        for start in range(0, len(pending), FORWARD_BATCH_IMAGES)
    ]
    for _, pixels in feature_pixels.load_view_batches(folder, batches, image_size):
        outputs = (
            accelerators.predict_on_batch(front, pixels.astype(np.float32)) if front else [pixels]
        )
        for values in zip(*outputs, strict=True):
            yield row, values
            row += 1
