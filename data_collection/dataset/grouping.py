"""Find images that must stay in one split: near-duplicates, or of the same person, prompt, seed or
source image."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from data_collection.dataset import manifest, near_duplicates
from data_collection.dataset.manifest import FaceRecord
from data_collection.facts.path_index import IndexedFile, PathIndex


def find_related_pairs(records: Sequence[FaceRecord]) -> Iterator[tuple[int, int]]:
    """Yield index pairs that share a person, a prompt, a (generator, seed) or a source image."""
    first_by_key: dict[tuple, int] = {}
    for index, record in enumerate(records):
        for key in _list_relation_keys(record):
            first = first_by_key.setdefault(key, index)
            if first != index:
                yield first, index
    yield from _find_pairs_with_originals(records)


def _list_relation_keys(record: FaceRecord) -> Iterator[tuple]:
    if record.person:
        yield "person", record.person
    if record.prompt:
        yield "prompt", record.prompt
    if record.seed is not None:
        yield "seed", record.generator or record.source, record.seed
    if record.source_image:
        yield "image", record.source_image


def _find_pairs_with_originals(records: Sequence[FaceRecord]) -> Iterator[tuple[int, int]]:
    """Yield an image and its original, which it names by id or by path.

    A path that means several images ties all of them: too large a group leaks nothing.
    """
    index_by_id = {record.id: index for index, record in enumerate(records)}
    by_path = []
    for index, record in enumerate(records):
        if record.source_image in index_by_id:
            yield index_by_id[record.source_image], index
        elif record.source_image:
            by_path.append(index)
    if not by_path:
        return
    finder = OriginalFinder(records)
    for index in by_path:
        for original in finder.find(records[index].source_image):
            if original != index:
                yield original, index


class OriginalFinder:
    """Find the images that a `source_image` means: photographs, or else generated images."""

    def __init__(self, records: Sequence[FaceRecord]) -> None:
        self._classes = []
        for label in manifest.LABELS:
            indices = [index for index, record in enumerate(records) if record.label == label]
            files = [
                IndexedFile(f"{records[index].source}/{records[index].file}", records[index].file)
                for index in indices
            ]
            self._classes.append((indices, PathIndex(files)))

    def find(self, source_image: str) -> list[int]:
        """Return the indices of the images that share the longest end with it."""
        for indices, path_index in self._classes:
            if found := path_index.find(source_image).files:
                return [indices[number] for number in found]
        return []


def label_components(count: int, pairs: Iterable[tuple[int, int]]) -> np.ndarray:
    """Number the connected components of `count` items; shape (count,)."""
    import scipy.sparse  # judging images imports this module and does not need scipy
    from scipy.sparse.csgraph import connected_components

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
