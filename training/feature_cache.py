"""Runs the frozen base once per image and view and keeps its tapped features on disk.

A frozen base is a pure function, so its outputs are a data set. On the CPU it runs in ONNX Runtime (three times faster
than TensorFlow for MobileNetV2), on a GPU in Keras; both from the same graph that the detector is made of.
"""

import concurrent.futures
import hashlib
import io
import itertools
import json
import math
import mmap
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from data_collection import array_files, checked_json, console, face_images, manifest, package_index
from data_collection.manifest import FaceRecord
from data_collection.processing import Processing
from training import accelerators, base_weights, detector, onnx_files, saved_models
from training.base_weights import BaseWeights
from training.detector import Column

if TYPE_CHECKING:
    import keras

Engine = Literal["auto", "onnxruntime", "keras", "ray"]

LAYOUT_VERSION = 1
# Larger batches are no faster on a CPU, and at 448 px a batch of 32 would hold 600 MB in one layer's output.
BATCH, GPU_BATCH = onnx_files.PART, 64
CHUNK = 64

IN_MEMORY = 1 << 30
"""Bytes of features that are held in memory; more are mapped from disk."""


@dataclass(frozen=True)
class FeatureTable:
    """Features of many images.

    Attributes:
        base: name in BASE_MODELS.
        columns: what the numbers are.
        values: float32, shape (images, views, width).
        forward_passes: passes through the base that this run needed: images x views that were not cached.
    """

    base: str
    columns: list[Column]
    values: np.ndarray
    forward_passes: int


class Extractor:
    """A base with all its taps, ready to run: `width`, `columns`, and `run(pixels) -> features`."""

    def __init__(
        self,
        weights: BaseWeights,
        sizes: Sequence[int],
        side: int,
        engine: Engine = "auto",
        signals: Sequence[str] = ("picture",),
        cores: int | None = None,
    ):
        self.weights = weights
        self.sizes = tuple(sizes)
        self.side = side
        self.signals = tuple(signals)
        self.cores = cores
        self.engine = ("keras" if _has_gpu() else "onnxruntime") if engine == "auto" else engine
        self.name = self._called([*self.identity(), *versions(self.engine)])
        self.columns, self.run = self._keras() if self.engine == "keras" else self._onnx()
        self.width = self.columns[-1].stop

    def identity(self) -> list:
        """What decides a feature, besides the image and the libraries: change any of it and nothing old is read."""
        what = [self.weights.base, self.weights.sha256, self.sizes, self.side]
        return [*what, face_images.CANONICALISER_VERSION, LAYOUT_VERSION, self.signals]

    def _called(self, what: list) -> str:
        digest = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:12]
        return f"{self.weights.base}-{'+'.join(map(str, self.sizes))}-{digest}"

    def model(self) -> tuple["keras.Model", list[Column]]:
        base = base_weights.load(self.weights)
        columns = detector.layout(base, self.weights.base, self.sizes, self.signals)
        return detector.extractor(base, self.weights.base, self.sizes, self.side, self.signals), columns

    def _keras(self) -> tuple[list[Column], Callable[[np.ndarray], np.ndarray]]:
        model, columns = self.model()
        return columns, accelerators.fitting(model.predict_on_batch)

    @property
    def batch(self) -> int:
        """Pictures that it is given at a time."""
        return GPU_BATCH if self.engine == "keras" and _has_gpu() else BATCH

    @property
    def onnx_path(self) -> Path:
        return package_index.cache_folder() / "extractors" / f"{self._called(self.identity())}.onnx"

    def _onnx(self) -> tuple[list[Column], Callable[[np.ndarray], np.ndarray]]:
        notes = self.onnx_path.with_suffix(".json")
        if not _intact(self.onnx_path, notes):
            self._export(notes)
        columns = [Column(**column) for column in json.loads(notes.read_bytes())["columns"]]
        return columns, onnx_files.streams(self.onnx_path, self.cores)

    def _export(self, notes: Path) -> None:
        console.say(f"Exporting {self.name} for ONNX Runtime (once).")
        model, columns = self.model()
        self.onnx_path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.onnx_path.with_name(f".{os.getpid()}-{self.onnx_path.name}")
        try:
            onnx_files.export(model, temporary)
            difference = onnx_files.parity(model, temporary)
            if difference > onnx_files.PARITY:
                raise console.PlainError(
                    f"ONNX Runtime and Keras differ by {difference:.1e} on {self.name}; use --engine keras."
                )
            digest = onnx_files.sha256(temporary)
            os.replace(temporary, self.onnx_path)
        finally:
            temporary.unlink(missing_ok=True)
        content = {"sha256": digest, "parity": difference, "columns": [asdict(column) for column in columns]}
        manifest.write_whole(notes, json.dumps(content).encode())


def versions(engine: str) -> list[str]:
    """Of the libraries that a feature goes through: Pillow decodes and resizes, the engine adds up in an order of its own."""
    names = ("pillow", "keras", "tensorflow") if engine == "keras" else ("pillow", "onnxruntime")
    return [f"{name} {version}" for name, version in saved_models.versions().items() if name in names]


def _has_gpu() -> bool:
    import keras

    return bool(keras.distribution.list_devices("gpu"))


def _intact(path: Path, notes: Path) -> bool:
    try:
        return checked_json.parsed(notes.read_bytes())["sha256"] == onnx_files.sha256(path)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def features(
    folder: Path, records: Sequence[FaceRecord], extractor: Extractor, views: int, processing: Processing | None = None
) -> FeatureTable:
    """Features of the records' views 0 to views - 1; computes what the cache does not hold, and keeps it.

    Args:
        folder: the data set's folder.
        processing: what the pictures go through first, as if another source had published them.

    Raises:
        PlainError: an original is missing or was altered, the disk has no room, or there is no Ray.
    """
    cache = folder / "features" / extractor.name / (processing.name if processing else "")
    values = _table(cache, (len(records), views, extractor.width))
    missing = _read(cache, records, values)
    if missing and extractor.engine == "ray":
        from training import ray_features

        ray_features.compute(folder, missing, extractor, cache, processing)
        if _read(cache, records, values):
            raise console.PlainError(
                f"What Ray's workers wrote did not arrive in {cache}; all machines have to share that folder."
            )
    else:
        place = {record.id: row for row, record in enumerate(records)}
        for record, view, vector in computed(folder, missing, extractor, cache, processing):
            values[place[record.id], view] = vector
    return FeatureTable(extractor.weights.base, extractor.columns, values, len(missing))


def _read(cache: Path, records: Sequence[FaceRecord], values: np.ndarray) -> list[tuple[FaceRecord, int]]:
    """Fills in what the cache holds; returns the views of images that it lacks, a view after the other."""
    place, views = {record.id: row for row, record in enumerate(records)}, values.shape[1]
    have = np.zeros((len(records), views), dtype=bool)
    for ids, view, chunk in _read_chunks(cache, values.shape[2]):
        for row, face_id in enumerate(ids):
            if view < views and face_id in place:
                values[place[face_id], view] = chunk[row]
                have[place[face_id], view] = True
    return [(record, view) for view in range(views) for row, record in enumerate(records) if not have[row, view]]


def has_room(folder: Path, needed: int, otherwise: str) -> None:
    """Raises PlainError if fewer bytes are free: a mapped file that outgrows the disk would end the process without a word."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise console.PlainError(
            f"{folder} needs {needed / 1e6:,.0f} MB, {free / 1e6:,.0f} are free; make room, or {otherwise}.", console.DISK
        )


def _table(cache: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """float32, in memory; where it would be larger than IN_MEMORY, mapped to a file that is gone when this process ends."""
    needed = 4 * math.prod(shape)
    if needed <= IN_MEMORY:
        return np.empty(shape, dtype=np.float32)
    cache.mkdir(parents=True, exist_ok=True)
    has_room(cache, needed, "take fewer --views, --sizes or --signals")
    with tempfile.NamedTemporaryFile(dir=cache, prefix=".table-") as file:
        return read_at_random(np.memmap(file, dtype=np.float32, mode="w+", shape=shape))


def read_at_random(mapped: np.memmap) -> np.memmap:
    """Tells the system that rows are read in no order, or it would read thirty others with each that is not in memory."""
    if hasattr(mmap, "MADV_RANDOM"):
        mapped._mmap.madvise(mmap.MADV_RANDOM)
    return mapped


def _read_chunks(cache: Path, width: int) -> Iterator[tuple[list[str], int, np.ndarray]]:
    """Yields (ids, view, features) of every whole chunk; a damaged one is removed, its images are computed again."""
    for path in sorted(cache.glob("view*.npz")):
        try:
            chunk = array_files.unpacked(path.read_bytes())
            ids, view, values = chunk["ids"].tolist(), int(chunk["view"]), chunk["features"]
            if values.shape != (len(ids), width) or values.dtype != np.float32 or not np.isfinite(values).all():
                raise ValueError
        except (OSError, ValueError, KeyError, TypeError):
            console.warn(f"{path} is damaged; its features are computed again.")
            path.unlink()
        else:
            yield ids, view, values


def computed(
    folder: Path,
    missing: Sequence[tuple[FaceRecord, int]],
    extractor: Extractor,
    cache: Path,
    processing: Processing | None,
) -> Iterator[tuple[FaceRecord, int, np.ndarray]]:
    """Computes features in chunks of one view each and saves every chunk as soon as it is whole."""
    if not missing:
        return

    def base(pixels: np.ndarray) -> np.ndarray:
        return np.asarray(extractor.run(pixels.astype(np.float32)), dtype=np.float32)

    batches, on_cores = parts(missing, extractor.batch), extractor.engine == "onnxruntime"
    ready = pictures(folder, batches, extractor.side, processing, base if on_cores else None, extractor.cores)
    passes = console.progress(ready, f"{extractor.weights.base} features", len(batches))
    chunk: list[tuple[FaceRecord, int, np.ndarray]] = []
    for number, (batch, made) in enumerate(passes, 1):
        vectors = made if on_cores else base(made)
        chunk += [(record, view, vector) for (record, view), vector in zip(batch, vectors, strict=True)]
        last = number == len(batches)
        if last or len(chunk) >= CHUNK or batches[number][0][1] != chunk[0][1]:
            _save_chunk(cache, chunk)
            yield from chunk
            chunk = []


def parts(missing: Sequence[tuple[FaceRecord, int]], size: int) -> list[list[tuple[FaceRecord, int]]]:
    """At most `size` views of images each, all of them the same view."""
    by_view = (list(pairs) for _, pairs in itertools.groupby(missing, key=lambda pair: pair[1]))
    return [pairs[start : start + size] for pairs in by_view for start in range(0, len(pairs), size)]


def pictures(
    folder: Path,
    batches: Sequence[Sequence[tuple[FaceRecord, int]]],
    side: int,
    processing: Processing | None = None,
    then: Callable[[np.ndarray], np.ndarray] | None = None,
    cores: int | None = None,
) -> Iterator[tuple[Sequence[tuple[FaceRecord, int]], np.ndarray]]:
    """Yields every batch of (image, view) with its pixels, uint8 (n, side, side, 3), made ahead on all cores.

    Args:
        then: makes something else of the pixels, on the same core, which is yielded in their place.
        cores: as many as it takes; None for all.
    """

    def work(batch: Sequence[tuple[FaceRecord, int]]) -> np.ndarray:
        pixels = np.stack([canonical(folder, record, side, view, processing) for record, view in batch])
        return then(pixels) if then else pixels

    cores = cores or os.cpu_count() or 1
    with concurrent.futures.ThreadPoolExecutor(cores) as pool:
        yield from _ahead(pool, work, batches, cores + 2)


def _ahead(pool: concurrent.futures.Executor, work: Callable, batches: Sequence, most: int) -> Iterator[tuple]:
    """Yields (batch, work(batch)) in order, `most` batches ahead of the reader."""
    waiting: list[concurrent.futures.Future] = []
    for number, batch in enumerate(batches):
        while len(waiting) < most and number + len(waiting) < len(batches):
            waiting.append(pool.submit(work, batches[number + len(waiting)]))
        yield batch, waiting.pop(0).result()


def _save_chunk(cache: Path, chunk: Sequence[tuple[FaceRecord, int, np.ndarray]]) -> None:
    ids, view = [record.id for record, _, _ in chunk], chunk[0][1]
    buffer = io.BytesIO()
    np.savez(buffer, ids=np.array(ids), view=view, features=np.stack([vector for _, _, vector in chunk]))
    name = hashlib.sha256("".join(ids).encode()).hexdigest()[:16]
    manifest.write_whole(cache / f"view{view}-{name}.npz", buffer.getvalue())


def canonical(folder: Path, record: FaceRecord, side: int, view: int, processing: Processing | None = None) -> np.ndarray:
    """Pixels of one view of one collected image: uint8, (side, side, 3)."""
    face = face_images.decode(manifest.read_original(folder, record), record.crop)
    if processing:
        face = processing.of(face)
    return face_images.canonical_face(face, record.id, side, view)
