"""Cached features and labels of the two splits that training may see, with the targets of every generator output."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from training.features.column_selection import compute_column_indices
from training.features.layout import Column

FEATURE_BLOCK_IMAGES = 512
"""Images that are calculated with at a time."""


OTHER_GENERATOR_TARGET = -1.0
"""What a voice is to say of another generator's image: nothing."""


@dataclass(frozen=True)
class TrainingFeatures:
    """Cached features and labels of the two splits that training may see.

    Attributes:
        columns: what the numbers are.
        train, validation: float32, shape (images, views, width).
        train_labels, validation_labels: 1 for generated, 0 for real, shape (images,).
        train_sources, validation_sources: where each image is from; empty if all generated images are to be taken for one.
    """

    columns: list[Column]
    train: np.ndarray
    validation: np.ndarray
    train_labels: np.ndarray
    validation_labels: np.ndarray
    train_sources: Sequence[str] = ()
    validation_sources: Sequence[str] = ()

    @functools.cached_property
    def generators(self) -> list[str]:
        """The generated sources that heads learn from, if there are several: a head has one voice for each."""
        named = zip(self.train_sources, self.train_labels, strict=False)
        found = sorted({source for source, label in named if label == 1})
        return found if len(found) > 1 else []

    @functools.cached_property
    def mean_and_variance(self) -> tuple[np.ndarray, np.ndarray]:
        """Of every number over all views of the training images, each of shape (width,)."""
        images, views, width = self.train.shape
        mean, variance = np.zeros(width), np.zeros(width)
        for part in iterate_blocks(self.train):
            mean += part.sum(axis=(0, 1), dtype=np.float64) / (images * views)
        centre = mean.astype(np.float32)
        for part in iterate_blocks(self.train):
            variance += np.square(part - centre).sum(axis=(0, 1), dtype=np.float64) / (
                images * views
            )
        return centre, variance.astype(np.float32)

    def arrays(
        self, columns: Sequence[Column]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(x, y) of train and of validation over all views: x (images * views, width), y (images * views, 1).

        With several generators y is (images * views, generators, 1), and -1 where an image is another generator's.
        """
        index = compute_column_indices(columns)
        train = self.targets(self.train_labels, self.train_sources)
        validation = self.targets(self.validation_labels, self.validation_sources)
        both = ((self.train, train), (self.validation, validation))
        (x, y), (x_val, y_val) = (
            (_stack_views(values, index), _repeat_targets(targets, values.shape[1]))
            for values, targets in both
        )
        return x, y, x_val, y_val

    def targets(self, labels: np.ndarray, sources: Sequence[str]) -> np.ndarray:
        """What every voice should say of images, (images, 1) or (images, generators, 1)."""
        if not self.generators:
            return labels[:, None].astype(np.float32)
        named = np.array(sources)
        each = [
            np.where(labels == 0, 0.0, np.where(named == name, 1.0, OTHER_GENERATOR_TARGET))
            for name in self.generators
        ]
        return np.stack(each, axis=1)[..., None].astype(np.float32)


def iterate_blocks(values: np.ndarray) -> Iterator[np.ndarray]:
    """The array in pieces along its first axis, so that nothing made of them needs much memory."""
    for start in range(0, len(values), FEATURE_BLOCK_IMAGES):
        yield values[start : start + FEATURE_BLOCK_IMAGES]


def _stack_views(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    return np.concatenate([values[:, view][:, index] for view in range(values.shape[1])])


def _repeat_targets(targets: np.ndarray, views: int) -> np.ndarray:
    return np.concatenate([targets] * views)
