"""Find images that must stay in one split: near-duplicates, or of the same person, prompt, seed or
source image."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

import imagehash
import numpy as np
import scipy.sparse
from PIL import Image, ImageOps
from scipy.sparse.csgraph import connected_components

from data_collection.dataset.manifest import FaceRecord

MAX_NEAR_DUPLICATE_BITS = 6
"""Largest Hamming distance of two 64-bit perceptual hashes that counts as a near-duplicate.

On 400 photographs of 40 people none of the 78,000 pairs of different people lies within 6, while
JPEG 50, half size and 20% brightness all stay within 4.
"""


def compute_perceptual_hashes(square: Image.Image) -> tuple[str, str]:
    """Return the 64-bit pHash of an image and of its mirror image, in hexadecimal."""
    small = square.convert("L").reduce(max(1, square.width // 128))
    return str(imagehash.phash(small)), str(imagehash.phash(ImageOps.mirror(small)))


def find_near_duplicate_pairs(records: Sequence[FaceRecord]) -> Iterator[tuple[int, int]]:
    """Yield index pairs whose hashes differ by at most MAX_NEAR_DUPLICATE_BITS, mirror images
    included."""
    hashes = np.array([int(record.phash, 16) for record in records], dtype=np.uint64)
    mirrored = np.array([int(record.phash_mirrored, 16) for record in records], dtype=np.uint64)
    for first in range(len(records) - 1):
        rest = hashes[first + 1 :]
        distances = np.minimum(
            np.bitwise_count(rest ^ hashes[first]), np.bitwise_count(rest ^ mirrored[first])
        )
        for second in np.flatnonzero(distances <= MAX_NEAR_DUPLICATE_BITS):
            yield first, first + 1 + int(second)


def find_related_pairs(records: Sequence[FaceRecord]) -> Iterator[tuple[int, int]]:
    """Yield index pairs that share a person, a prompt, a (generator, seed) or a source image."""
    first_by_key: dict[tuple, int] = {}
    originals = {record.source_image for record in records if record.source_image}
    for index, record in enumerate(records):
        for key in _find_relation_keys(record, originals):
            first = first_by_key.setdefault(key, index)
            if first != index:
                yield first, index


def _find_relation_keys(record: FaceRecord, originals: set[str]) -> Iterator[tuple]:
    if record.person:
        yield "person", record.person
    if record.prompt:
        yield "prompt", record.prompt
    if record.seed is not None:
        yield "seed", record.generator or record.source, record.seed
    # A reconstruction names its original by id or by file, so the original yields all its names.
    if record.source_image:
        yield "image", record.source_image
    for name in {record.id, record.file, PurePosixPath(record.file).name} & originals:
        yield "image", name


def label_components(count: int, pairs: Iterable[tuple[int, int]]) -> np.ndarray:
    """Number the connected components of `count` items; shape (count,)."""
    edges = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
    graph = scipy.sparse.coo_matrix(
        (np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count)
    )
    return connected_components(graph, directed=False)[1]


def group_records(records: Sequence[FaceRecord]) -> list[list[int]]:
    """Partition the indices of `records` into groups that must stay in one split."""
    numbers = label_components(
        len(records), [*find_near_duplicate_pairs(records), *find_related_pairs(records)]
    )
    order = np.argsort(numbers, kind="stable")
    return [
        list(map(int, group))
        for group in np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)
        if len(group)
    ]
