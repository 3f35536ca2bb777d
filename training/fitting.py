"""Train a Keras model with early stopping, label smoothing and balanced classes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

LABEL_SMOOTHING = 0.1
"""Smoothing of the loss that heads are trained with and ranked by.

A few dozen validation images are soon separated without an error, and the plain loss then prefers
whichever head is most confident. Smoothed, every image counts by its distance from its side.
Measured on 437 faces in four folds of 30 random heads each: unseen AUC of the head with the lowest
loss .985 without smoothing, .999 with 0.1, .993 with 0.2.
"""


def fit_head(model: "keras.Model", arrays, batch_size: int, patience: int, callbacks=(), **kwargs):
    """Train until the validation loss has not fallen for `patience` epochs.

    The model ends with the weights of its best epoch. Both classes get equal total weight, in
    every output.

    Args:
        arrays: x, y, x_val, y_val as TrainingFeatures.make_arrays returns them.
        kwargs: `epochs` and `initial_epoch` are passed on; KerasTuner's others are not.
    """
    import keras

    x, y, x_val, y_val = arrays
    stop = keras.callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True)
    if y.ndim == 2:
        data = {
            "x": x,
            "y": y,
            "sample_weight": compute_balanced_weights(y)[:, 0],
            "validation_data": (x_val, y_val),
        }
    else:
        (weight, y), (weight_val, y_val) = (
            (compute_balanced_weights(targets[..., 0]), np.maximum(targets, 0))
            for targets in (y, y_val)
        )
        data = {
            "x": x,
            "y": y,
            "sample_weight": weight,
            "validation_data": (x_val, y_val, weight_val),
        }
    build_optimiser(model)
    return model.fit(
        **data,
        batch_size=batch_size,
        callbacks=[*callbacks, stop],
        verbose=0,
        **{name: value for name, value in kwargs.items() if name in ("epochs", "initial_epoch")},
    )


def build_optimiser(model: "keras.Model") -> None:
    """Create the variables of a compiled model's optimiser for what is trainable now.

    Where its first step creates them, TensorFlow traces the training step twice, which takes
    seconds for the upper blocks of a base.
    """
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def smooth_labels(labels: np.ndarray) -> np.ndarray:
    """Return the targets of the smoothed loss for labels 0 and 1, in the labels' precision."""
    return labels * (1 - LABEL_SMOOTHING) + LABEL_SMOOTHING / 2


def compute_balanced_weights(targets: np.ndarray) -> np.ndarray:
    """Return sample weights, shape (rows, outputs).

    Both classes get equal total weight; other generators' images, with a target of -1, get 0.
    """
    weights = np.zeros(targets.shape, dtype=np.float32)
    for label in (0, 1):
        is_class = targets == label
        weights += is_class * (0.5 * len(targets) / np.maximum(is_class.sum(axis=0), 1))
    return weights


def compute_source_weights(labels: np.ndarray, sources: Sequence[str]) -> np.ndarray:
    """Return sample weights, shape (rows,): both classes get equal total weight, and so does every
    source within its class."""
    weights = np.zeros(len(labels), dtype=np.float32)
    for label in (0, 1):
        names, numbers, counts = np.unique(
            np.asarray(sources)[labels == label], return_inverse=True, return_counts=True
        )
        weights[labels == label] = 0.5 * len(labels) / max(1, len(names)) / counts[numbers]
    return weights
