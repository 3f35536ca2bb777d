"""Activations at the boundary between frozen and opened blocks, computed once per image, view and
depth, and kept on disk.

What lies under the boundary is a pure function of the image. Kept in float32: with float16 the loss
drifts away from that of the whole model by up to 9e-3 within ten steps (measured with MobileNetV2
at 160 px), with float32 by 5e-5.
"""

import hashlib
import json
import math
import shutil
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_collection.dataset.manifest import FaceRecord
from data_collection.images import canonical
from finetuning.boundary_models import PIXELS_ARRAY, Boundary, build_front
from runtime import atomic_files, checked_json, console
from training import accelerators
from training.detectors.detector_parts import DetectorParts
from training.features import extractor, feature_cache
from training.features import pixels as feature_pixels

FORWARD_BATCH_IMAGES = 8
ROWS_PER_CHECKPOINT = 64
"""Rows between two notes of how far it got; at most these are computed again after a crash."""

CHECKSUM_BLOCK_BYTES = 1 << 20
"""Bytes that are read at a time to verify what was kept."""

PROGRESS_FILE = "rows.json"
BOUNDARY_LAYOUT_VERSION = 1


@dataclass(frozen=True)
class _Progress:
    """How many rows are done, and the CRC-32 of these in every array."""

    rows: int
    crc32: list[int]


@dataclass(frozen=True)
class BoundaryRows:
    """Arrays of shape (images, views, ...), read from disk as they are needed, in the order of the
    tail's inputs."""

    arrays: list[np.ndarray]

    def __getitem__(self, index: tuple[np.ndarray, np.ndarray]) -> list[np.ndarray]:
        return [np.asarray(array[index], dtype=np.float32) for array in self.arrays]


def load_or_compute_rows(
    parts: DetectorParts,
    boundary: Boundary,
    folder: Path,
    records: Sequence[FaceRecord],
    views: int,
) -> tuple[BoundaryRows, int]:
    """The boundary's arrays for these images; returns them with the number of forward passes that
    were needed.

    Args:
        folder: the data set's folder.

    Raises:
        PlainError: an original is missing or was altered, the disk has no room, or another process
            computes some.
    """
    with atomic_files.lock_folder(folder / "boundaries"):
        return _load_or_compute_locked(parts, boundary, folder, records, views)


def _load_or_compute_locked(
    parts: DetectorParts,
    boundary: Boundary,
    folder: Path,
    records: Sequence[FaceRecord],
    views: int,
) -> tuple[BoundaryRows, int]:
    place = folder / "boundaries" / _make_cache_key(parts, boundary, records, views)
    arrays = _open_arrays(place, boundary, len(records), views)
    done, sums = _load_progress(place, arrays)
    total, noted = len(records) * views, done
    if done < total:
        made = _compute_rows(parts, boundary, folder, records, views, done)
        what = f"activations at {boundary.tap}" if boundary.tap else "pixels"
        for row, values in console.track_progress(made, what, total - done):
            for array, value in zip(arrays, values, strict=True):
                array[row // views, row % views] = value
            if (row + 1) % ROWS_PER_CHECKPOINT == 0 or row + 1 == total:
                for array in arrays:
                    array.flush()
                sums = [
                    _update_checksum(array, noted, row + 1, found)
                    for array, found in zip(arrays, sums, strict=True)
                ]
                noted = row + 1
                atomic_files.write_atomically(
                    place / PROGRESS_FILE, json.dumps({"rows": noted, "crc32": sums}).encode()
                )
    return BoundaryRows(arrays), total - done


def _make_cache_key(
    parts: DetectorParts, boundary: Boundary, records: Sequence[FaceRecord], views: int
) -> str:
    model = parts.card.sha256["detector.keras"]
    ids = [record.id for record in records]
    parts = [
        model,
        boundary.tap,
        views,
        ids,
        records[0].crop,
        canonical.CANONICALISER_VERSION,
        BOUNDARY_LAYOUT_VERSION,
    ]
    parts += extractor.list_engine_versions("keras")
    return f"{boundary.tap or PIXELS_ARRAY}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]}"


def _load_progress(place: Path, arrays: Sequence[np.memmap]) -> tuple[int, list[int]]:
    """Rows that an earlier run has finished, and the checksum of these in every array; none if they
    are damaged."""
    nothing = 0, [0] * len(arrays)
    try:
        noted = checked_json.parse_json_as((place / PROGRESS_FILE).read_bytes(), _Progress)
    except FileNotFoundError:
        return nothing
    except ValueError:
        noted = _Progress(0, [])
    if 0 < noted.rows <= math.prod(arrays[0].shape[:2]) and noted.crc32 == [
        _update_checksum(each, 0, noted.rows) for each in arrays
    ]:
        return noted.rows, noted.crc32
    console.print_warning(f"{place} is damaged; its rows are computed again.")
    return nothing


def _update_checksum(array: np.memmap, start: int, stop: int, found: int = 0) -> int:
    """CRC-32 of rows `start` to `stop`, going on from that of the rows before: .3 s a gigabyte, .7
    s from disk."""
    row = array.itemsize * math.prod(array.shape[2:])
    with open(array.filename, "rb") as file:
        file.seek(array.offset + start * row)
        left = (stop - start) * row
        while left and (block := file.read(min(left, CHECKSUM_BLOCK_BYTES))):
            found, left = zlib.crc32(block, found), left - len(block)
    return found


def _open_arrays(place: Path, boundary: Boundary, images: int, views: int) -> list[np.memmap]:
    """The arrays on disk; made anew if they are missing or are not what they should be."""
    wanted = [
        ((images, views, *shape), np.dtype(boundary.dtype), True) for shape in boundary.shapes
    ]
    paths = [place / f"{number}.npy" for number in range(len(wanted))]
    try:
        arrays = [np.lib.format.open_memmap(path, mode="r+") for path in paths]
        if [(array.shape, array.dtype, array.flags.c_contiguous) for array in arrays] == wanted:
            return arrays
    except Exception:  # A damaged header raises half a dozen types.
        pass
    if (place / PROGRESS_FILE).exists():
        console.print_warning(f"{place} is damaged; its rows are computed again.")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    needed = boundary.bytes_per_row * images * views
    feature_cache.check_free_space(
        place, needed, "give fewer --views or a smaller --disk, which starts from the pixels"
    )
    return [
        np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=shape)
        for path, (shape, kind, _) in zip(paths, wanted, strict=True)
    ]


def _compute_rows(
    parts: DetectorParts,
    boundary: Boundary,
    folder: Path,
    records: Sequence[FaceRecord],
    views: int,
    done: int,
):
    """Yields (row, values) from row `done` on; a row is image * views + view."""
    front = build_front(parts, boundary.tap) if boundary.tap else None
    wanted = [(records[row // views], row % views) for row in range(done, len(records) * views)]
    row = done
    batches = [
        wanted[start : start + FORWARD_BATCH_IMAGES]
        for start in range(0, len(wanted), FORWARD_BATCH_IMAGES)
    ]
    for _, pixels in feature_pixels.load_view_batches(folder, batches, parts.card.image_size):
        outputs = (
            accelerators.predict_on_batch(front, pixels.astype(np.float32)) if front else [pixels]
        )
        for values in zip(*outputs, strict=True):
            yield row, values
            row += 1
