"""Rows of a boundary in batches, as Keras trains on them."""

from typing import TYPE_CHECKING

import numpy as np

from finetuning.boundary_cache import BoundaryRows

if TYPE_CHECKING:
    import keras


def make_row_batches(
    rows: BoundaryRows, labels: np.ndarray, views: int, size: int, seed: int | None
) -> "keras.utils.PyDataset":
    """Batches (inputs, labels (n, 1), weights (n,)) of every view of every image; in a new order
    each epoch if there is a seed.

    Weights let both classes weigh alike.
    """
    import keras

    class Batches(keras.utils.PyDataset):
        def __init__(self):
            super().__init__()
            self.order = np.arange(len(labels) * views)
            self.draw = None if seed is None else np.random.default_rng(seed)
            self.on_epoch_end()

        def __len__(self) -> int:
            return -(-len(self.order) // size)

        def __getitem__(self, number: int):
            part = self.order[number * size : (number + 1) * size]
            images, view = part // views, part % views
            y = labels[images].astype(np.float32)
            weight = np.where(y == 1, 0.5 / labels.mean(), 0.5 / (1 - labels.mean())).astype(
                np.float32
            )
            return tuple(rows[images, view]), y[:, None], weight

        def on_epoch_end(self) -> None:
            if self.draw is not None:
                self.draw.shuffle(self.order)

    return Batches()
