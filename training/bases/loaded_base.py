"""A base model with its weights loaded, and its row in BASE_MODELS."""

import warnings
from typing import TYPE_CHECKING

import numpy as np

from runtime import console
from training.bases import base_models
from training.bases.weight_packages import read_packaged_weights
from training.bases.weights import BaseWeights

if TYPE_CHECKING:
    import keras


def load_base(weights: BaseWeights) -> "keras.Model":
    """Builds the base and gives it these weights.

    Raises:
        PlainError: the file does not fit the base.
    """
    import keras

    if weights.origin == "random":
        keras.utils.set_random_seed(0)
        base = base_models.build_base(weights.base)
        _set_noise_statistics(base)
        return base
    try:
        if weights.origin == "package":
            base = base_models.build_base(weights.base)
            read_packaged_weights(base, weights.path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "error", UserWarning
                )  # Keras only warns when a layer finds nothing in the file
                base = base_models.build_base(weights.base, str(weights.path))
    except (OSError, ValueError, KeyError, IndexError, UserWarning) as error:
        why = " ".join(str(error).split())[:200]
        raise console.PlainError(
            f"{weights.path} does not fit {weights.base}: {why}", console.EXIT_BAD_MODEL
        ) from None
    return base


def _set_noise_statistics(base: "keras.Model") -> None:
    """Gives every BatchNormalization the statistics of noise; without them nothing of a picture
    gets through random weights.

    The activations of MobileNetV2 would fall from 0.1 behind the first layer to 2e-12 behind the
    last one.
    """
    import keras

    layers = [layer for layer in base.layers if isinstance(layer, keras.layers.BatchNormalization)]
    before = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    base(np.random.default_rng(0).uniform(-1, 1, (8, 64, 64, 3)).astype(np.float32), training=True)
    for layer, momentum in zip(layers, before, strict=True):
        layer.momentum = momentum
