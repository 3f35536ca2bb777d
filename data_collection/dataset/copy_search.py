"""Search for pairs of thumbnails that may be copies of one picture, for registration to decide.

The middle of a copy that was cropped, turned, framed or mirrored shows what some other window of
the original shows. So the low frequencies of every picture's middle are compared with those of
every other picture's windows: with all of them in a set of MAX_EXACT_IMAGES or less, otherwise with
those in the nearest cells.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from data_collection.dataset import registration
from data_collection.dataset.thumbnails import THUMBNAIL_SIDE_PX

if TYPE_CHECKING:
    import scipy.sparse

MIDDLE_SCALE = 0.8
"""Side of the middle, as a share of the picture's: a frame of 10% lies outside, and so do the
corners that a turn of 10 degrees leaves empty."""

_SIDE_PX = THUMBNAIL_SIDE_PX // 2
_WINDOW_SIDE, _MAX_FREQUENCY = 32, 7
"""Samples along a window, and the largest sum of its two frequencies, in half waves."""

MIN_SIMILARITY = 0.9
MAX_CANDIDATES = 8
"""The most candidates that the windows of one picture give, the most similar ones."""

MAX_EXACT_IMAGES, CELL_IMAGES, PROBED_CELLS = 16_000, 1_000, 3
CHUNK_IMAGES, BLOCK_SIMILARITIES = 1_000, 8_000_000
"""Pictures whose windows are searched at once, and similarities that are computed at once: 32
MB."""

CANDIDATE = np.dtype(
    [("first", np.int64), ("second", np.int64), ("window", np.int64), ("similarity", np.float32)]
)
"""A pair of pictures, the index in WINDOWS of the window of the first that resembles the middle of
the second, and their cosine."""


@dataclass(frozen=True)
class Window:
    """A square part of a picture.

    Attributes:
        turn, shift: map points of the window to those of the picture, as in `registration`.
        mirrored: whether it is seen in a mirror.
    """

    turn: complex
    shift: complex = 0
    mirrored: bool = False


def _list_windows() -> tuple[Window, ...]:
    centred = [(scale, 0, 0) for scale in (0.8, 0.75, 0.7, 0.65)]
    turned = [(scale, degrees, 0) for scale in (0.8, 0.72) for degrees in (-8, -4, 4, 8)]
    off_centre = [
        (scale, 0, distance * complex(across, down))
        for scale, distance in ((0.74, 0.08), (0.67, 0.16))
        for across in (-1, 0, 1)
        for down in (-1, 0, 1)
        if across or down
    ]
    return tuple(
        Window(complex(scale * np.exp(1j * np.deg2rad(degrees))), shift, mirrored)
        for scale, degrees, shift in centred + turned + off_centre
        for mirrored in (False, True)
    )


WINDOWS = _list_windows()


def find_candidates(first: np.ndarray, second: np.ndarray | None = None) -> np.ndarray:
    """Return pairs of which a window of the first resembles the middle of the second.

    Args:
        first, second: thumbnails, float32, shape (pictures, side, side); without `second`, pairs
            among the first, each pair once.

    Returns:
        CANDIDATE, shape (pairs,).
    """
    middles = first if second is None else second
    if not len(first) or not len(middles):
        return np.empty(0, CANDIDATE)
    index = MiddleIndex(middles)
    parts = [
        _find_candidates_of(first[start : start + CHUNK_IMAGES], start, index, second is None)
        for start in range(0, len(first), CHUNK_IMAGES)
    ]
    candidates = np.concatenate([np.empty(0, CANDIDATE), *parts])
    return _keep_best(candidates, ordered=second is not None)


def _find_candidates_of(
    thumbnails: np.ndarray, start: int, index: "MiddleIndex", among_themselves: bool
) -> np.ndarray:
    """Return the best candidates of a few pictures, the first of which has the index `start`."""
    halves = registration.halve(thumbnails)
    queries = np.concatenate([describe_windows(halves, window) for window in WINDOWS])
    hits = np.concatenate([np.empty(0, CANDIDATE), *index.find_similar(queries)])
    hits["window"], pictures = np.divmod(hits["first"], len(thumbnails))
    hits["first"] = start + pictures
    if among_themselves:
        hits = hits[hits["first"] != hits["second"]]
    hits = _keep_best(hits, ordered=True)
    hits = hits[np.lexsort([-hits["similarity"], hits["first"]])]
    ranks = np.arange(len(hits)) - np.searchsorted(hits["first"], hits["first"])
    return hits[ranks < MAX_CANDIDATES]


def _keep_best(candidates: np.ndarray, ordered: bool) -> np.ndarray:
    """Keep the most similar one of the candidates for each pair."""
    candidates = candidates[np.argsort(-candidates["similarity"], kind="stable")]
    pairs = np.stack([candidates["first"], candidates["second"]], axis=1)
    _, best = np.unique(pairs if ordered else np.sort(pairs, axis=1), axis=0, return_index=True)
    return candidates[best]


class MiddleIndex:
    """The middles of pictures, in cells of neighbours if there are many."""

    def __init__(self, thumbnails: np.ndarray):
        self.middles = describe_windows(registration.halve(thumbnails), Window(MIDDLE_SCALE))
        count = len(thumbnails)
        n_cells = 1 if count <= MAX_EXACT_IMAGES else count // CELL_IMAGES
        self.centres = self._choose_centres(n_cells)
        cells = self._find_cells(self.middles, 1)[:, 0]
        order = np.argsort(cells, kind="stable")
        self.members = np.split(order, np.searchsorted(cells[order], np.arange(1, n_cells)))

    def _choose_centres(self, n_cells: int) -> np.ndarray:
        if n_cells == 1:
            return self.middles[:1]
        import scipy.cluster.vq

        sample = self.middles[:: max(1, len(self.middles) // (30 * n_cells))]
        centres, _ = scipy.cluster.vq.kmeans2(sample, n_cells, iter=5, minit="points", rng=0)
        return _normalise(centres)

    def _find_cells(self, descriptors: np.ndarray, count: int) -> np.ndarray:
        """Return the nearest cells of each descriptor; shape (descriptors, at most count)."""
        if len(self.centres) == 1:
            return np.zeros((len(descriptors), 1), np.int64)
        return np.concatenate(
            [
                np.argpartition(-(block @ self.centres.T), count - 1, axis=1)[:, :count]
                for block in _split_into_blocks(descriptors, len(self.centres))
            ]
        )

    def find_similar(self, queries: np.ndarray) -> Iterator[np.ndarray]:
        """Yield candidates, cell by cell; `first` is the index of the query."""
        probed = self._find_cells(queries, PROBED_CELLS)
        order = np.argsort(probed, axis=None, kind="stable")
        limits = np.searchsorted(probed.ravel()[order], np.arange(1, len(self.members)))
        queries_by_cell = np.split(order // probed.shape[1], limits)
        for members, asking in zip(self.members, queries_by_cell, strict=True):
            known = self.middles[members].T
            for block in _split_into_blocks(asking, len(members)):
                similarities = queries[block] @ known
                rows, columns = np.nonzero(similarities >= MIN_SIMILARITY)
                hits = np.zeros(len(rows), CANDIDATE)
                hits["first"], hits["second"] = block[rows], members[columns]
                hits["similarity"] = similarities[rows, columns]
                yield hits


def _split_into_blocks(rows: np.ndarray, columns: int) -> list[np.ndarray]:
    return np.array_split(rows, 1 + len(rows) * columns // BLOCK_SIMILARITIES)


def describe_windows(halves: np.ndarray, window: Window) -> np.ndarray:
    """Return the low frequencies of what the window of each picture shows, as unit vectors:
    float32, shape (pictures, frequencies).

    Args:
        halves: thumbnails of half the size.
    """
    return _normalise(halves.reshape(len(halves), -1) @ _make_descriptor_matrix(window))


def _normalise(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-3)


@functools.cache
def _make_descriptor_matrix(window: Window) -> np.ndarray:
    """Return the matrix from the pixels of half a thumbnail to low frequencies of a window; shape
    (pixels, frequencies)."""
    points = registration.make_points(_WINDOW_SIDE)
    points = window.turn * (-points.conj() if window.mirrored else points) + window.shift
    return (_make_sampling_matrix(points).T @ _make_frequencies()).astype(np.float32)


@functools.cache
def _make_frequencies() -> np.ndarray:
    """Return the low frequencies of a cosine transform, each weighted by its root; shape (samples
    of a window, frequencies)."""
    import scipy.fft

    waves = scipy.fft.dct(np.eye(_WINDOW_SIDE), axis=0, norm="ortho")
    down, across = np.indices((_WINDOW_SIDE, _WINDOW_SIDE))
    kept = (down + across > 0) & (down + across <= _MAX_FREQUENCY)
    down, across = down[kept], across[kept]
    basis = np.einsum("fd,fa->daf", waves[down], waves[across])
    return basis.reshape(_WINDOW_SIDE**2, -1) * np.sqrt(np.hypot(down, across))


def _make_sampling_matrix(points: np.ndarray) -> "scipy.sparse.csr_array":
    """Return the matrix that interpolates a picture at points, those outside at the edge; shape
    (points, pixels)."""
    import scipy.sparse

    x, y = (
        np.clip((part + 1) / 2 * _SIDE_PX - 0.5, 0, _SIDE_PX - 1.001)
        for part in (points.real, points.imag)
    )
    left, top = x.astype(int), y.astype(int)
    across, down = x - left, y - top
    weights = [(1 - across) * (1 - down), across * (1 - down), (1 - across) * down, across * down]
    cells = [top * _SIDE_PX + left + step for step in (0, 1, _SIDE_PX, _SIDE_PX + 1)]
    rows = np.tile(np.arange(len(points)), 4)
    return scipy.sparse.coo_array(
        (np.concatenate(weights), (rows, np.concatenate(cells))), shape=(len(points), _SIDE_PX**2)
    ).tocsr()
