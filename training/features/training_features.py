"""Hold the cached features of the train and validation splits, with the targets of every output.

A head has one output, or one per generator where the generated images come from a few.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from training.features.column_selection import compute_column_indices
from training.features.layout import Column

FEATURE_BLOCK_IMAGES = 512
"""Images that are processed at a time, so that intermediate arrays stay small."""

VARIANCE_BLOCK_IMAGES = 16
"""Images whose squared distances are added up at a time: they stay in a core's cache."""

OTHER_GENERATOR_TARGET = -1.0
"""Target of a per-generator output for another generator's image: such images get weight 0."""


@dataclass(frozen=True)
class SelectedRows:
    """Some rows of an array, read when they are asked for: a copy could exceed the memory.

    Attributes:
        array: shape (images, views, width).
        rows: indices into its first axis.
    """

    array: np.ndarray
    rows: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), *self.array.shape[1:])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: slice | tuple) -> np.ndarray:
        """Return a copy of the values at an index of the first axis, or of the first ones."""
        first, *others = index if isinstance(index, tuple) else (index,)
        return self.array[(self.rows[first], *others)]


@dataclass(frozen=True)
class SplitFeatures:
    """Features and labels of one split.

    Attributes:
        values: float32, shape (images, views, width).
        labels: 1 for generated, 0 for real, shape (images,).
        sources: the source of each image; empty to treat all generated images as one source.
        judged: of the views in which images are judged, shape (images, qualities, width); None
            where nothing is judged.
        groups: the group of each image; empty where no source is left out.
    """

    values: np.ndarray | SelectedRows
    labels: np.ndarray
    sources: Sequence[str] = ()
    judged: np.ndarray | None = None
    groups: Sequence[str] = ()


@dataclass(frozen=True)
class TrainingFeatures:
    """Cached features and labels of the two splits that training may see.

    Attributes:
        columns: describe the numbers of the feature vector, in order.
        values: of both splits, train first, shape (images, views, width); None where no head is
            trained on both.
        judged: of both splits, in the views in which images are judged; None where the train images
            are not judged, or not yet.
        is_logistic: whether heads are logistic regressions with a single output, ranked by sources
            left out.
    """

    columns: list[Column]
    train: SplitFeatures
    validation: SplitFeatures
    values: np.ndarray | None = None
    judged: np.ndarray | None = None
    is_logistic: bool = False

    @functools.cached_property
    def generators(self) -> list[str]:
        """The generated sources of the train split if heads tell several apart, else none.

        A head has one output per generator listed here, or a single one.
        """
        if self.is_logistic:
            return []
        pairs = zip(self.train.sources, self.train.labels, strict=False)
        names = sorted({source for source, label in pairs if label == 1})
        return names if len(names) > 1 else []

    @functools.cached_property
    def mean_and_variance(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of every number over all views of the train split, each (width,)."""
        values = self.train.values
        images, views, width = values.shape
        mean, variance = np.zeros(width), np.zeros(width)
        for block in iterate_blocks(values):
            mean += block.sum(axis=(0, 1), dtype=np.float64) / (images * views)
        centre = mean.astype(np.float32)
        for block in iterate_blocks(values, VARIANCE_BLOCK_IMAGES):
            distance = block - centre
            distance *= distance
            variance += distance.sum(axis=(0, 1), dtype=np.float64)
        return centre, (variance / (images * views)).astype(np.float32)

    def precompute_statistics(self) -> None:
        """Compute and cache the generators and statistics, before threads ask for them."""
        _ = self.generators, self.mean_and_variance

    def make_arrays(
        self, columns: Sequence[Column]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return (x, y) of train and of validation over all views.

        x has the shape (images * views, width), y (images * views, 1). With several generators y
        is (images * views, generators, 1), and -1 where an image is another generator's.
        """
        index = compute_column_indices(columns)
        (x, y), (x_val, y_val) = (
            (
                _stack_views(split.values, index),
                _repeat_targets(self.make_targets(split), split.values.shape[1]),
            )
            for split in (self.train, self.validation)
        )
        return x, y, x_val, y_val

    def make_targets(self, split: SplitFeatures) -> np.ndarray:
        """Return the target of every output, (images, 1) or (images, generators, 1)."""
        labels = split.labels
        if not self.generators:
            return labels[:, None].astype(np.float32)
        sources = np.array(split.sources)
        targets = [
            np.where(labels == 0, 0.0, np.where(sources == name, 1.0, OTHER_GENERATOR_TARGET))
            for name in self.generators
        ]
        return np.stack(targets, axis=1)[..., None].astype(np.float32)


def iterate_blocks(
    values: np.ndarray | SelectedRows, block_images: int = FEATURE_BLOCK_IMAGES
) -> Iterator[np.ndarray]:
    """Yield the array in blocks along its first axis."""
    for start in range(0, len(values), block_images):
        yield values[start : start + block_images]


def _stack_views(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    return np.concatenate([values[:, view][:, index] for view in range(values.shape[1])])


def _repeat_targets(targets: np.ndarray, views: int) -> np.ndarray:
    return np.concatenate([targets] * views)
