"""Rows of a boundary in batches, as Keras trains on them."""

from typing import TYPE_CHECKING

import numpy as np

from finetuning.boundary.row_cache import BoundaryRows

if TYPE_CHECKING:
    import keras


def make_row_batches(
    rows: BoundaryRows, labels: np.ndarray, n_views: int, batch_size: int, seed: int | None
) -> "keras.utils.PyDataset":
    """Return batches (inputs, labels (n, 1), weights (n,)) of every view of every image.

    With a seed they are shuffled before every epoch. Both classes get equal total weight.
    """
    import keras

    class Batches(keras.utils.PyDataset):
        def __init__(self):
            super().__init__()
            self.order = np.arange(len(labels) * n_views)
            self.rng = None if seed is None else np.random.default_rng(seed)
            self.on_epoch_end()

        def __len__(self) -> int:
            return -(-len(self.order) // batch_size)

        def __getitem__(self, index: int):
            batch = self.order[index * batch_size : (index + 1) * batch_size]
            images, views = batch // n_views, batch % n_views
            y = labels[images].astype(np.float32)
            weights = np.where(y == 1, 0.5 / labels.mean(), 0.5 / (1 - labels.mean()))
            return tuple(rows[images, views]), y[:, None], weights.astype(np.float32)

        def on_epoch_end(self) -> None:
            if self.rng is not None:
                self.rng.shuffle(self.order)

    return Batches()
