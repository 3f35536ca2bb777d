"""Read batches of rows from cached features, of only those columns that a head uses."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.features.column_selection import compute_column_slices
from training.features.layout import Column
from training.features.training_features import SelectedRows, SplitFeatures, TrainingFeatures
from training.fitting import compute_balanced_weights


class HeadInputs:
    """The columns that a head uses, standardised with the statistics of the train split."""

    def __init__(self, features: TrainingFeatures, columns: Sequence[Column]):
        self._slices = compute_column_slices(columns)
        self._mean, variance = map(self.select, features.mean_and_variance)
        self._scale = (1 / np.sqrt(variance + 1e-6)).astype(np.float32)

    @property
    def width(self) -> int:
        return len(self._mean)

    def select(self, values: np.ndarray | SelectedRows, *index: np.ndarray | slice) -> np.ndarray:
        """Return the columns of values[index], side by side."""
        parts = [values[(*index, part)] for part in self._slices]
        return np.asarray(parts[0]) if len(parts) == 1 else np.concatenate(parts, axis=-1)

    def read(self, values: np.ndarray | SelectedRows, *index: np.ndarray) -> np.ndarray:
        """Return the standardised columns of values[index]."""
        x = self.select(values, *index) - self._mean
        x *= self._scale
        return x


@dataclass(frozen=True, kw_only=True)
class HeadBatch:
    """Rows of a split.

    Attributes:
        values: of the whole split, as cached, (images, views, width).
        images, views: of each row, (rows,).
        targets, weights: (rows, outputs).
    """

    values: np.ndarray | SelectedRows
    images: np.ndarray
    views: np.ndarray
    targets: np.ndarray
    weights: np.ndarray

    def read(self, inputs: HeadInputs) -> np.ndarray:
        """Return a head's inputs, (rows, columns)."""
        return inputs.read(self.values, self.images, self.views)

    def draw_noise(self, generator: np.random.Generator) -> np.ndarray:
        """Return the noise of the input dropout, uniform uint16 (rows, width).

        Four numbers come from each that the generator draws.
        """
        shape = (len(self.images), self.values.shape[2])
        size = math.prod(shape)
        drawn = generator.integers(0, 1 << 64, -(-size // 4), dtype=np.uint64)
        return drawn.view(np.uint16)[:size].reshape(shape)


def drop_inputs(x: np.ndarray, noise: np.ndarray, rate: float) -> None:
    """Set this share of the inputs to 0, in place, and scale the others: the mean stays."""
    x *= noise >= np.uint16(math.ceil(rate * (1 << 16)))
    x *= np.float32(1 / (1 - rate))


@dataclass(frozen=True, kw_only=True)
class SplitRows:
    """Images times views: row `view * images + image`.

    Attributes:
        values: as cached, (images, views, width).
        targets, weights: (rows, outputs).
    """

    values: np.ndarray | SelectedRows
    targets: np.ndarray
    weights: np.ndarray

    @classmethod
    def from_split(
        cls, features: TrainingFeatures, split: SplitFeatures, *, is_training: bool
    ) -> "SplitRows":
        n_outputs = max(1, len(features.generators))
        targets = features.make_targets(split).reshape(len(split.labels), n_outputs)
        is_weighted = features.generators or is_training
        weights = compute_balanced_weights(targets) if is_weighted else np.ones_like(targets)
        views = split.values.shape[1]
        return cls(
            values=split.values,
            targets=np.concatenate([np.maximum(targets, 0)] * views),
            weights=np.concatenate([weights] * views),
        )

    def make_batch(self, rows: np.ndarray) -> HeadBatch:
        return HeadBatch(
            values=self.values,
            images=rows % len(self.values),
            views=rows // len(self.values),
            targets=self.targets[rows],
            weights=self.weights[rows],
        )
