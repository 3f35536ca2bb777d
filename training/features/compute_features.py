"""Compute missing features, save them in chunk files, and read these files again."""

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
"""Views of images that are saved at a time; an interrupted run loses at most so many."""


def read_feature_chunks(cache: Path, width: int) -> Iterator[tuple[list[str], int, np.ndarray]]:
    """Yield (ids, view, features) of every chunk; delete damaged ones, to be computed again."""
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
    """Compute features, save every full chunk, and yield its records, views and features.

    Args:
        missing: records with views; an image is decoded once for views that follow each other.
        cache: folder of the chunk files.
    """
    if not missing:
        return

    def run_base(pixels: np.ndarray) -> np.ndarray:
        return np.asarray(extractor.run(pixels.astype(np.float32)), dtype=np.float32)

    batches = make_view_batches(missing, extractor.batch_size)
    # ONNX Runtime runs on the core that decoded the images; a GPU runs them in this thread.
    is_run_by_loader = extractor.engine == "onnxruntime"
    loaded = load_view_batches(
        folder,
        batches,
        extractor.side,
        processing,
        run_base if is_run_by_loader else None,
        extractor.n_cores,
    )
    progress = console.track_progress(loaded, f"{extractor.weights.base} features", len(batches))
    chunk: list[tuple[FaceRecord, int, np.ndarray]] = []
    for number, (batch, values) in enumerate(progress, 1):
        vectors = values if is_run_by_loader else run_base(values)
        chunk += [
            (record, view, vector) for (record, view), vector in zip(batch, vectors, strict=True)
        ]
        if number == len(batches) or len(chunk) >= VIEWS_PER_CHUNK:
            for view in dict.fromkeys(view for _, view, _ in chunk):
                _save_feature_chunk(cache, [row for row in chunk if row[1] == view])
            yield from chunk
            chunk = []


def _save_feature_chunk(cache: Path, chunk: Sequence[tuple[FaceRecord, int, np.ndarray]]) -> None:
    """Write the features of a single view."""
    ids, view = [record.id for record, _, _ in chunk], chunk[0][1]
    buffer = io.BytesIO()
    np.savez(
        buffer, ids=np.array(ids), view=view, features=np.stack([vector for _, _, vector in chunk])
    )
    name = hashlib.sha256("".join(ids).encode()).hexdigest()[:16]
    atomic_files.write_atomically(cache / f"view{view}-{name}.npz", buffer.getvalue())
