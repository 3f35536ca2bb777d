"""Find images that must stay in one split: near-duplicates, or of the same person, prompt, seed or
source image."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

import numpy as np
import scipy.sparse
from scipy.sparse.csgraph import connected_components

from data_collection.dataset import near_duplicates
from data_collection.dataset.manifest import FaceRecord


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
        len(records),
        itertools.chain(
            near_duplicates.find_near_duplicate_pairs(records), find_related_pairs(records)
        ),
    )
    order = np.argsort(numbers, kind="stable")
    return [
        list(map(int, group))
        for group in np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)
        if len(group)
    ]
