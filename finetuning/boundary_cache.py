"""Activations at the boundary between frozen and opened blocks, computed once per image, view and depth, and kept on disk.

What lies under the boundary is a pure function of the image. Kept in float32: with float16 the loss drifts away from that of
the whole model by up to 9e-3 within ten steps (measured with MobileNetV2 at 160 px), with float32 by 5e-5.
"""

import hashlib
import json
import math
import shutil
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data_collection import checked_json, console, face_images, manifest
from data_collection.manifest import FaceRecord
from finetuning.parent import Parent
from finetuning.unfreezing import Block
from training import accelerators, base_models, detector, feature_cache
from training.detector import Column

if TYPE_CHECKING:
    import keras

BATCH = 8
CHUNK = 64
"""Rows between two notes of how far it got; at most these are computed again after a crash."""

BLOCK = 1 << 20
"""Bytes that are read at a time to verify what was kept."""

NOTE = "rows.json"
PIXELS, FROZEN = "pixels", "frozen"
LAYOUT_VERSION = 1


@dataclass(frozen=True)
class Boundary:
    """What a tail starts from.

    Attributes:
        tap: the tap that the opened blocks stand on; empty if they begin at the pixels.
        names: of the arrays, in the order of the tail's inputs.
        shapes: of one row of each.
        dtype: uint8 for pixels, float32 for activations.
        why: why it is the pixels, in words; empty if it is not.
    """

    tap: str
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtype: str
    why: str = ""

    @property
    def bytes_per_row(self) -> int:
        return sum(math.prod(shape) for shape in self.shapes) * np.dtype(self.dtype).itemsize


def choose(parent: Parent, opened: Sequence[Block], rows: int, disk: float) -> Boundary:
    """The boundary under the opened blocks, or the pixels if it would be larger than these or than `disk` gigabytes."""
    side = parent.card.image_size
    pixels = Boundary("", (PIXELS,), ((side, side, 3),), "uint8")
    below = opened[-1].below
    if not below:
        return pixels
    columns = detector.columns_of(parent.members)
    shown = list(dict.fromkeys(column.shown for column in columns))
    front = _front(parent, below)
    names = [*(f"{below} of the {signal} at {size}" for size, signal in shown), FROZEN]
    shapes = [tuple(output.shape[1:]) for output in front.outputs]
    found = Boundary(below, tuple(names[: len(shapes)]), tuple(shapes), "float32")
    activations, gigabytes = 4 * sum(math.prod(shape) for shape in shapes[: len(shown)]), found.bytes_per_row * rows / 1e9
    if activations > 4 * side * side * 3:
        return replace(pixels, why=f"activations under {opened[-1].name} exceed the pixels ({activations / 1e3:.0f} kB a view)")
    if gigabytes > disk:
        return replace(pixels, why=f"activations under {opened[-1].name} take {gigabytes:.1f} GB, over --disk {disk:g}")
    return found


def _split(parent: Parent, tap: str) -> tuple[list[Column], list[Column]]:
    """The columns whose taps lie at or under the boundary, and those above it."""
    taps = base_models.tap_names(parent.base, parent.card.base["name"])
    under = set(taps[: taps.index(tap) + 1])
    columns = detector.columns_of(parent.members)
    return [c for c in columns if c.tap in under], [c for c in columns if c.tap not in under]


def _front(parent: Parent, tap: str) -> "keras.Model":
    """Pixels to the activations at the boundary, one output per input size and signal, and what frozen taps contribute."""
    import keras

    name, side = parent.card.base["name"], parent.card.image_size
    frozen, _ = _split(parent, tap)
    pixels = keras.Input((side, side, 3), name="pixels")
    wanted = {tap, *(column.tap for column in frozen)}
    taps = [each for each in base_models.tap_names(parent.base, name) if each in wanted]
    cut = base_models.tapped(parent.base, name, taps)
    outputs, found = [], {}
    for shown in dict.fromkeys(column.shown for column in detector.columns_of(parent.members)):
        by_tap = dict(zip(taps, cut(detector.prepared(pixels, name, *shown), training=False), strict=True))
        outputs.append(by_tap[tap])
        found |= {column: detector.pooled(by_tap[column.tap], column.statistic) for column in frozen if column.shown == shown}
    return keras.Model(pixels, [*outputs, detector.vector(found, frozen)] if frozen else outputs, name="front")


def tail(parent: Parent, boundary: Boundary) -> "keras.Model":
    """From the boundary to the logit, (n, 1); it shares its layers with the parent's base and heads."""
    import keras

    inputs = [keras.Input(shape, name=f"input{number}") for number, shape in enumerate(boundary.shapes)]
    name, columns = parent.card.base["name"], detector.columns_of(parent.members)
    if not boundary.tap:
        found = detector.parts(inputs[0], parent.base, name, columns)
        return keras.Model(inputs, detector.spoken(found, parent.members), name="tail")
    layers = base_models.BASE_MODELS[name].taps(parent.base.layers)
    frozen, above = _split(parent, boundary.tap)
    taps = [tap for tap in layers if tap in {column.tap for column in above}]
    start = parent.base.get_layer(layers[boundary.tap]).output
    upper = keras.Model(start, [parent.base.get_layer(layers[tap]).output for tap in taps], name="upper")
    found: dict[Column, keras.KerasTensor] = {}
    for shown, activations in zip(dict.fromkeys(column.shown for column in columns), inputs, strict=False):
        outputs = upper(activations, training=False)
        by_tap = dict(zip(taps, outputs, strict=True))
        found |= {c: detector.pooled(by_tap[c.tap], c.statistic) for c in above if c.shown == shown}
    place = 0
    for column in frozen:
        width = column.stop - column.start
        found[column] = inputs[-1][:, place : place + width]
        place += width
    return keras.Model(inputs, detector.spoken(found, parent.members), name="tail")


@dataclass(frozen=True)
class _Note:
    """How many rows are done, and the CRC-32 of these in every array."""

    rows: int
    crc32: list[int]


@dataclass(frozen=True)
class Rows:
    """Arrays of shape (images, views, ...), read from disk as they are needed, in the order of the tail's inputs."""

    arrays: list[np.ndarray]

    def __getitem__(self, index: tuple[np.ndarray, np.ndarray]) -> list[np.ndarray]:
        return [np.asarray(array[index], dtype=np.float32) for array in self.arrays]


def rows(parent: Parent, boundary: Boundary, folder: Path, records: Sequence[FaceRecord], views: int) -> tuple[Rows, int]:
    """The boundary's arrays for these images; returns them with the number of forward passes that were needed.

    Args:
        folder: the data set's folder.

    Raises:
        PlainError: an original is missing or was altered, the disk has no room, or another process computes some.
    """
    with manifest.locked(folder / "boundaries"):
        return _rows(parent, boundary, folder, records, views)


def _rows(parent: Parent, boundary: Boundary, folder: Path, records: Sequence[FaceRecord], views: int) -> tuple[Rows, int]:
    place = folder / "boundaries" / _key(parent, boundary, records, views)
    arrays = _opened(place, boundary, len(records), views)
    done, sums = _done(place, arrays)
    total, noted = len(records) * views, done
    if done < total:
        made = _computed(parent, boundary, folder, records, views, done)
        what = f"activations at {boundary.tap}" if boundary.tap else "pixels"
        for row, values in console.progress(made, what, total - done):
            for array, value in zip(arrays, values, strict=True):
                array[row // views, row % views] = value
            if (row + 1) % CHUNK == 0 or row + 1 == total:
                for array in arrays:
                    array.flush()
                sums = [_checksum(array, noted, row + 1, found) for array, found in zip(arrays, sums, strict=True)]
                noted = row + 1
                manifest.write_whole(place / NOTE, json.dumps({"rows": noted, "crc32": sums}).encode())
    return Rows(arrays), total - done


def _key(parent: Parent, boundary: Boundary, records: Sequence[FaceRecord], views: int) -> str:
    model = parent.card.sha256["detector.keras"]
    ids = [record.id for record in records]
    parts = [model, boundary.tap, views, ids, records[0].crop, face_images.CANONICALISER_VERSION, LAYOUT_VERSION]
    parts += feature_cache.versions("keras")
    return f"{boundary.tap or PIXELS}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]}"


def _done(place: Path, arrays: Sequence[np.memmap]) -> tuple[int, list[int]]:
    """Rows that an earlier run has finished, and the checksum of these in every array; none if they are damaged."""
    nothing = 0, [0] * len(arrays)
    try:
        noted = checked_json.decoded((place / NOTE).read_bytes(), _Note)
    except FileNotFoundError:
        return nothing
    except ValueError:
        noted = _Note(0, [])
    if 0 < noted.rows <= math.prod(arrays[0].shape[:2]) and noted.crc32 == [_checksum(each, 0, noted.rows) for each in arrays]:
        return noted.rows, noted.crc32
    console.warn(f"{place} is damaged; its rows are computed again.")
    return nothing


def _checksum(array: np.memmap, start: int, stop: int, found: int = 0) -> int:
    """CRC-32 of rows `start` to `stop`, going on from that of the rows before: .3 s a gigabyte, .7 s from disk."""
    row = array.itemsize * math.prod(array.shape[2:])
    with open(array.filename, "rb") as file:
        file.seek(array.offset + start * row)
        left = (stop - start) * row
        while left and (block := file.read(min(left, BLOCK))):
            found, left = zlib.crc32(block, found), left - len(block)
    return found


def _opened(place: Path, boundary: Boundary, images: int, views: int) -> list[np.memmap]:
    """The arrays on disk; made anew if they are missing or are not what they should be."""
    wanted = [((images, views, *shape), np.dtype(boundary.dtype), True) for shape in boundary.shapes]
    paths = [place / f"{number}.npy" for number in range(len(wanted))]
    try:
        arrays = [np.lib.format.open_memmap(path, mode="r+") for path in paths]
        if [(array.shape, array.dtype, array.flags.c_contiguous) for array in arrays] == wanted:
            return arrays
    except Exception:  # A damaged header raises half a dozen types.
        pass
    if (place / NOTE).exists():
        console.warn(f"{place} is damaged; its rows are computed again.")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    needed = boundary.bytes_per_row * images * views
    feature_cache.has_room(place, needed, "give fewer --views or a smaller --disk, which starts from the pixels")
    return [
        np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=shape)
        for path, (shape, kind, _) in zip(paths, wanted, strict=True)
    ]


def _computed(parent: Parent, boundary: Boundary, folder: Path, records: Sequence[FaceRecord], views: int, done: int):
    """Yields (row, values) from row `done` on; a row is image * views + view."""
    front = _front(parent, boundary.tap) if boundary.tap else None
    wanted = [(records[row // views], row % views) for row in range(done, len(records) * views)]
    row = done
    batches = [wanted[start : start + BATCH] for start in range(0, len(wanted), BATCH)]
    for _, pixels in feature_cache.pictures(folder, batches, parent.card.image_size):
        outputs = accelerators.predict_on_batch(front, pixels.astype(np.float32)) if front else [pixels]
        for values in zip(*outputs, strict=True):
            yield row, values
            row += 1
