"""Load the canonical pixels of images and views, in batches and ahead of the reader."""

import concurrent.futures
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from data_collection.dataset import stored_images
from data_collection.dataset.manifest import FaceRecord
from data_collection.dataset.source_processing import SourceProcessing
from data_collection.images import canonical, decode


def make_view_batches(
    missing: Sequence[tuple[FaceRecord, int]], size: int
) -> list[list[tuple[FaceRecord, int]]]:
    """At most `size` views of images each, all of them the same view."""
    by_view = (list(pairs) for _, pairs in itertools.groupby(missing, key=lambda pair: pair[1]))
    return [
        pairs[start : start + size] for pairs in by_view for start in range(0, len(pairs), size)
    ]


def load_view_batches(
    folder: Path,
    batches: Sequence[Sequence[tuple[FaceRecord, int]]],
    side: int,
    processing: SourceProcessing | None = None,
    then: Callable[[np.ndarray], np.ndarray] | None = None,
    cores: int | None = None,
) -> Iterator[tuple[Sequence[tuple[FaceRecord, int]], np.ndarray]]:
    """Yields every batch of (image, view) with its pixels, uint8 (n, side, side, 3), made ahead on
    all cores.

    Args:
        then: makes something else of the pixels, on the same core, which is yielded in their place.
        cores: as many as it takes; None for all.
    """

    def work(batch: Sequence[tuple[FaceRecord, int]]) -> np.ndarray:
        pixels = np.stack(
            [load_canonical_view(folder, record, side, view, processing) for record, view in batch]
        )
        return then(pixels) if then else pixels

    cores = cores or os.cpu_count() or 1
    with concurrent.futures.ThreadPoolExecutor(cores) as pool:
        yield from _prefetch(pool, work, batches, cores + 2)


def _prefetch(
    pool: concurrent.futures.Executor, work: Callable, batches: Sequence, most: int
) -> Iterator[tuple]:
    """Yields (batch, work(batch)) in order, `most` batches ahead of the reader."""
    waiting: list[concurrent.futures.Future] = []
    for number, batch in enumerate(batches):
        while len(waiting) < most and number + len(waiting) < len(batches):
            waiting.append(pool.submit(work, batches[number + len(waiting)]))
        yield batch, waiting.pop(0).result()


def load_canonical_view(
    folder: Path,
    record: FaceRecord,
    side: int,
    view: int,
    processing: SourceProcessing | None = None,
) -> np.ndarray:
    """Pixels of one view of one collected image: uint8, (side, side, 3)."""
    face = decode.decode_face(stored_images.read_original(folder, record), record.crop)
    if processing:
        face = processing.apply(face)
    return canonical.compute_canonical_pixels(face, record.id, side, view)
