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
    records_and_views: Sequence[tuple[FaceRecord, int]], batch_size: int
) -> list[list[tuple[FaceRecord, int]]]:
    """Split records with views into batches of at most `batch_size`.

    The views of an image that follow each other stay together, where they fit into a batch: there
    it is decoded once for all of them.
    """
    batches: list[list[tuple[FaceRecord, int]]] = []
    for _, views_of_image in itertools.groupby(records_and_views, key=lambda pair: pair[0].id):
        pairs = list(views_of_image)
        for start in range(0, len(pairs), batch_size):
            part = pairs[start : start + batch_size]
            if not batches or len(batches[-1]) + len(part) > batch_size:
                batches.append([])
            batches[-1] += part
    return batches


def load_view_batches(
    folder: Path,
    batches: Sequence[Sequence[tuple[FaceRecord, int]]],
    side: int,
    processing: SourceProcessing | None = None,
    transform: Callable[[np.ndarray], np.ndarray] | None = None,
    n_cores: int | None = None,
) -> Iterator[tuple[Sequence[tuple[FaceRecord, int]], np.ndarray]]:
    """Yield every batch with its pixels, uint8 (n, side, side, 3), decoded ahead on all cores.

    Args:
        transform: applied to the pixels on the same core; its result is yielded in their place.
        n_cores: None for all.
    """

    def load_batch(batch: Sequence[tuple[FaceRecord, int]]) -> np.ndarray:
        pixels = np.stack(list(_load_canonical_views(folder, batch, side, processing)))
        return transform(pixels) if transform else pixels

    n_cores = n_cores or os.cpu_count() or 1
    with concurrent.futures.ThreadPoolExecutor(n_cores) as pool:
        yield from _prefetch(pool, load_batch, batches, n_cores + 2)


def _prefetch(
    pool: concurrent.futures.Executor, load: Callable, batches: Sequence, max_ahead: int
) -> Iterator[tuple]:
    """Yield (batch, load(batch)) in order, up to `max_ahead` batches ahead of the reader."""
    futures: list[concurrent.futures.Future] = []
    for number, batch in enumerate(batches):
        while len(futures) < max_ahead and number + len(futures) < len(batches):
            futures.append(pool.submit(load, batches[number + len(futures)]))
        yield batch, futures.pop(0).result()


def load_judgement_pixels(
    folder: Path, record: FaceRecord, side: int, qualities: Sequence[int]
) -> np.ndarray:
    """Return the pixels in which a collected image is judged, uint8 (qualities, side, side, 3)."""
    face = decode.decode_face(stored_images.read_original(folder, record), record.crop)
    return canonical.compute_judgement_pixels(face, side, qualities)


def load_canonical_view(folder: Path, record: FaceRecord, side: int, view: int) -> np.ndarray:
    """Return the pixels of one view of one collected image, uint8 (side, side, 3)."""
    return next(_load_canonical_views(folder, [(record, view)], side))


def _load_canonical_views(
    folder: Path,
    records_and_views: Sequence[tuple[FaceRecord, int]],
    side: int,
    processing: SourceProcessing | None = None,
) -> Iterator[np.ndarray]:
    """Yield the pixels of every view; an image is decoded once for views that follow each other."""
    for _, pairs in itertools.groupby(records_and_views, key=lambda pair: pair[0].id):
        face = None
        for record, view in pairs:
            face = face or _load_face(folder, record, processing)
            yield canonical.compute_canonical_pixels(face, record.id, side, view)


def _load_face(
    folder: Path, record: FaceRecord, processing: SourceProcessing | None
) -> decode.DecodedFace:
    face = decode.decode_face(stored_images.read_original(folder, record), record.crop)
    return processing.apply(face) if processing else face
