"""Find near-duplicates: copies of one picture, also if saved again, mirrored, cropped, turned or
framed.

A pair counts if its perceptual hashes lie close together, or if its thumbnails, laid one over the
other, show the same.
"""

import concurrent.futures
import itertools
import os
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image, ImageOps

from data_collection.dataset import copy_search, registration, thumbnails
from data_collection.dataset.manifest import FaceRecord

MAX_HASH_BITS = 6
"""Largest Hamming distance of two 64-bit perceptual hashes that counts as a near-duplicate.

On 400 photographs of 40 people none of the 78,000 pairs of different people lies within 6, while
JPEG 50, half size and 20% brightness all stay within 4. Aligned faces of a generator come nearer:
of 1.2 million pairs of 1,557 faces, 39 are of different StyleGAN2 faces within 6.
"""

MIN_CORRELATION = 0.98
"""Smallest correlation of registered thumbnails of copies. Among 1,557 faces the most alike
different pair reached .973, two pictures of one prompt; of 19 kinds of copies of 90 faces the least
alike had .989."""

DEFINITION = (
    f"perceptual hashes at most {MAX_HASH_BITS} of 64 bits apart, or thumbnails that show the same "
    "where they overlap, cropped by up to 10% a side, turned by up to 10 degrees, framed or "
    "mirrored"
)

REGISTERED_AT_ONCE = 256
"""Pairs; their thumbnails, slopes and equations take 50 MB."""

HASH_BITS, HASH_BANDS = 64, MAX_HASH_BITS + 1
MAX_COMPARED_HASHES = 4_000_000
"""Pairs of hashes that are compared at once: 32 MB."""


def compute_fingerprints(square: Image.Image) -> dict[str, str]:
    """Return the fields of a row by which copies are found: the 64-bit pHash of an image and of its
    mirror image, in hexadecimal, and the thumbnail."""
    import imagehash  # judging images imports this module and does not need it

    small = square.convert("L").reduce(max(1, square.width // 128))
    return {
        "phash": str(imagehash.phash(small)),
        "phash_mirrored": str(imagehash.phash(ImageOps.mirror(small))),
        "thumbnail": thumbnails.encode_thumbnail(small),
    }


def find_near_duplicate_pairs(records: Sequence[FaceRecord]) -> np.ndarray:
    """Return index pairs of near-duplicates, the smaller index first; shape (pairs, 2)."""
    pairs = np.concatenate([find_close_hashes(records, records), find_registered_copies(records)])
    pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
    return np.unique(pairs, axis=0)


def find_near_duplicates_between(
    records: Sequence[FaceRecord], known: Sequence[FaceRecord]
) -> np.ndarray:
    """Return pairs of an index in `records` and one in `known`; shape (pairs, 2)."""
    pairs = [find_close_hashes(records, known), find_registered_copies(records, known)]
    return np.unique(np.concatenate(pairs), axis=0)


def find_close_hashes(first: Sequence[FaceRecord], second: Sequence[FaceRecord]) -> np.ndarray:
    """Return index pairs whose hashes differ by at most MAX_HASH_BITS, mirror images included;
    shape (pairs, 2).

    Hashes that differ in so few bits agree in at least one of HASH_BANDS bands, so only those that
    share a band are compared.
    """
    rows, known = (
        np.array([i for i, record in enumerate(records) if record.phash], dtype=np.int64)
        for records in (first, second)
    )
    hashes = np.array([int(first[i].phash, 16) for i in rows], dtype=np.uint64)
    known_hashes = np.array(
        [int(second[i].phash, 16) for i in known]
        + [int(second[i].phash_mirrored, 16) for i in known],
        dtype=np.uint64,
    )
    edges = np.linspace(0, HASH_BITS, HASH_BANDS + 1).astype(int)
    pairs = [np.empty((0, 2), dtype=np.int64)]
    for low, high in itertools.pairwise(edges):
        pairs += _compare_within_band(hashes, known_hashes, low, high)
    first_index, second_index = np.unique(np.concatenate(pairs), axis=0).T
    return np.stack([rows[first_index], np.tile(known, 2)[second_index]], axis=1)


def _compare_within_band(
    hashes: np.ndarray, known: np.ndarray, low: int, high: int
) -> Iterator[np.ndarray]:
    """Yield index pairs of close hashes that agree in the bits from `low` to `high`."""
    bands, known_bands = (
        (values >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        for values in (hashes, known)
    )
    order, known_order = np.argsort(bands, kind="stable"), np.argsort(known_bands, kind="stable")
    for band in np.intersect1d(bands, known_bands):
        members, known_members = (
            indices[slice(*np.searchsorted(values[indices], [band, band + 1]))]
            for indices, values in ((order, bands), (known_order, known_bands))
        )
        n_blocks = 1 + len(members) * len(known_members) // MAX_COMPARED_HASHES
        for block in np.array_split(members, n_blocks):
            distances = np.bitwise_count(hashes[block, None] ^ known[known_members])
            rows, columns = np.nonzero(distances <= MAX_HASH_BITS)
            yield np.stack([block[rows], known_members[columns]], axis=1)


def find_registered_copies(
    first: Sequence[FaceRecord], second: Sequence[FaceRecord] | None = None
) -> np.ndarray:
    """Return index pairs whose thumbnails show the same once they are registered; shape (pairs, 2).

    Args:
        second: None for pairs among the first.
    """
    rows, pictures = _load_thumbnails(first)
    if second is None:
        return rows[_confirm(pictures, pictures, copy_search.find_candidates(pictures))]
    known_rows, known = _load_thumbnails(second)
    pairs = _confirm(pictures, known, copy_search.find_candidates(pictures, known))
    reverse = _confirm(known, pictures, copy_search.find_candidates(known, pictures))
    pairs = np.concatenate([pairs, reverse[:, ::-1]])
    return np.stack([rows[pairs[:, 0]], known_rows[pairs[:, 1]]], axis=1)


def _load_thumbnails(records: Sequence[FaceRecord]) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the rows that have a thumbnail, and their thumbnails."""
    rows = np.array([i for i, record in enumerate(records) if record.thumbnail], dtype=np.int64)
    return rows, thumbnails.decode_thumbnails([records[i] for i in rows])


def _confirm(first: np.ndarray, second: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Return the pairs that registration confirms; shape (pairs, 2)."""
    parts = [
        candidates[start : start + REGISTERED_AT_ONCE]
        for start in range(0, len(candidates), REGISTERED_AT_ONCE)
    ]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        likeness = list(pool.map(lambda part: _measure_likeness(first, second, part), parts))
    same = candidates[np.concatenate([np.empty(0), *likeness]) >= MIN_CORRELATION]
    return np.stack([same["first"], same["second"]], axis=1)


def _measure_likeness(first: np.ndarray, second: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    windows = [copy_search.WINDOWS[index] for index in candidates["window"]]
    middles = second[candidates["second"]]
    mirrored = np.array([window.mirrored for window in windows], dtype=bool)
    middles[mirrored] = middles[mirrored][:, :, ::-1]
    guess = registration.Overlay(
        np.array([window.turn / copy_search.MIDDLE_SCALE for window in windows], np.complex64),
        np.array([window.shift for window in windows], np.complex64),
    )
    return registration.measure_likeness(
        middles.astype(np.float32), first[candidates["first"]].astype(np.float32), guess
    )
