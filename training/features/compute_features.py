"""Compute the features that the cache lacks, save them in chunk files, and read those files
back."""

import hashlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from data_collection.dataset.manifest import FaceRecord
from data_collection.dataset.source_processing import SourceProcessing
from runtime import atomic_files, console, npz_files
from training.features.extractor import Extractor
from training.features.pixels import load_view_batches, make_view_batches

VIEWS_PER_CHUNK = 64


def read_feature_chunks(cache: Path, width: int) -> Iterator[tuple[list[str], int, np.ndarray]]:
    """Yields (ids, view, features) of every whole chunk; a damaged one is removed, its images are
    computed again."""
    for path in sorted(cache.glob("view*.npz")):
        try:
            chunk = npz_files.parse_npz(path.read_bytes())
            ids, view, values = chunk["ids"].tolist(), int(chunk["view"]), chunk["features"]
            if (
                values.shape != (len(ids), width)
                or values.dtype != np.float32
                or not np.isfinite(values).all()
            ):
                raise ValueError
        except (OSError, ValueError, KeyError, TypeError):
            console.print_warning(f"{path} is damaged; its features are computed again.")
            path.unlink()
        else:
            yield ids, view, values


def compute_missing_features(
    folder: Path,
    missing: Sequence[tuple[FaceRecord, int]],
    extractor: Extractor,
    cache: Path,
    processing: SourceProcessing | None,
) -> Iterator[tuple[FaceRecord, int, np.ndarray]]:
    """Computes features in chunks of one view each and saves every chunk as soon as it is whole."""
    if not missing:
        return

    def base(pixels: np.ndarray) -> np.ndarray:
        return np.asarray(extractor.run(pixels.astype(np.float32)), dtype=np.float32)

    batches, on_cores = (
        make_view_batches(missing, extractor.batch_size),
        extractor.engine == "onnxruntime",
    )
    ready = load_view_batches(
        folder, batches, extractor.side, processing, base if on_cores else None, extractor.n_cores
    )
    passes = console.track_progress(ready, f"{extractor.weights.base} features", len(batches))
    chunk: list[tuple[FaceRecord, int, np.ndarray]] = []
    for number, (batch, made) in enumerate(passes, 1):
        vectors = made if on_cores else base(made)
        chunk += [
            (record, view, vector) for (record, view), vector in zip(batch, vectors, strict=True)
        ]
        last = number == len(batches)
        if last or len(chunk) >= VIEWS_PER_CHUNK or batches[number][0][1] != chunk[0][1]:
            _save_feature_chunk(cache, chunk)
            yield from chunk
            chunk = []


def _save_feature_chunk(cache: Path, chunk: Sequence[tuple[FaceRecord, int, np.ndarray]]) -> None:
    ids, view = [record.id for record, _, _ in chunk], chunk[0][1]
    buffer = io.BytesIO()
    np.savez(
        buffer, ids=np.array(ids), view=view, features=np.stack([vector for _, _, vector in chunk])
    )
    name = hashlib.sha256("".join(ids).encode()).hexdigest()[:16]
    atomic_files.write_atomically(cache / f"view{view}-{name}.npz", buffer.getvalue())
