"""Define SCRATCH_MODELS, trained on pixels alone: from logistic regression to a CNN with attention.

Only built-in layers and operations are used, so a saved model opens in plain Keras.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.bases import input_signals
from training.features import layout
from training.fitting import LABEL_SMOOTHING

if TYPE_CHECKING:
    import keras

ScratchNetwork = Callable[["keras.KerasTensor"], "keras.KerasTensor"]

BATCH_NORM_MOMENTUM = 0.9
"""Keras' 0.99 takes hundreds of steps to adapt; a few hundred faces give ten an epoch."""


def apply_logistic(pixels: "keras.KerasTensor") -> "keras.KerasTensor":
    import keras

    return keras.layers.Dense(1, kernel_initializer="zeros", name="logit")(flatten_scaled(pixels))


def apply_two_layer(pixels: "keras.KerasTensor") -> "keras.KerasTensor":
    import keras

    # flatten_scaled() gives vectors of about unit length, whatever the side: weights of variance 2
    # are He's initialisation for them.
    start = keras.initializers.RandomNormal(stddev=math.sqrt(2))
    hidden = keras.layers.Dense(32, activation="relu", kernel_initializer=start, name="hidden")(
        flatten_scaled(pixels)
    )
    return keras.layers.Dense(1, name="logit")(keras.layers.Dropout(0.3)(hidden))


def flatten_scaled(pixels: "keras.KerasTensor") -> "keras.KerasTensor":
    """Flatten each image and divide it by the square root of its length.

    A step of Adam moves every weight by the same amount, so the logit moves by the sum of the
    image's values: at 256 px a thousand steps' worth. Divided, one learning rate suits every side.
    """
    import keras

    values = keras.layers.Flatten()(pixels)
    return keras.layers.Rescaling(1 / math.sqrt(values.shape[1]))(values)


def apply_cnn(
    pixels: "keras.KerasTensor", attention: ScratchNetwork = lambda maps: maps
) -> "keras.KerasTensor":
    """Apply four convolutions that halve the image, average pooling, and a dense layer."""
    import keras

    maps = pixels
    for filters in (16, 32, 64, 128):
        maps = keras.layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(maps)
        maps = attention(keras.layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(maps))
        maps = keras.layers.ReLU()(maps)
    return keras.layers.Dense(1, name="logit")(
        keras.layers.Dropout(0.3)(keras.layers.GlobalAveragePooling2D()(maps))
    )


def apply_style_attention(maps: "keras.KerasTensor") -> "keras.KerasTensor":
    """Multiply every channel by a gate between 0 and 1 that depends on the channel's own style.

    Style-based recalibration module, SRM (Lee, Kim and Nam 2019, arXiv:1903.10829): mean and
    standard deviation of a channel over the image, two weights that combine them into one number,
    batch normalisation, sigmoid. Four trainable parameters per channel.
    """
    import keras

    channels = maps.shape[-1]
    style = keras.ops.stack(
        [layout.pool_tap(maps, statistic) for statistic in layout.POOLING_STATISTICS], axis=1
    )
    # From zero, as in the authors' code: at first every gate is 0.5.
    weighted = keras.layers.EinsumDense(
        "nsc,sc->nc", output_shape=(channels,), kernel_initializer="zeros"
    )(style)
    gate = keras.layers.Activation("sigmoid")(
        keras.layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(weighted)
    )
    return keras.layers.Multiply()([maps, keras.layers.Reshape((1, 1, channels))(gate)])


@dataclass(frozen=True)
class ScratchModel:
    """A row of SCRATCH_MODELS.

    Attributes:
        title: as in the leaderboard.
        apply_network: from pixels between -1 and 1, (n, side, side, 3), to a logit, (n, 1).
        sides_px: one model is trained at each of them.
    """

    title: str
    apply_network: ScratchNetwork
    sides_px: tuple[int, ...]


SCRATCH_MODELS = {
    "logistic": ScratchModel("logistic regression on pixels", apply_logistic, (64, 128, 256)),
    "two-layer": ScratchModel("two-layer net on pixels", apply_two_layer, (64, 128, 256)),
    "cnn": ScratchModel("CNN from scratch", apply_cnn, (224,)),
    "srm-cnn": ScratchModel(
        "CNN from scratch with SRM attention",
        functools.partial(apply_cnn, attention=apply_style_attention),
        (224,),
    ),
}


def build_scratch_model(name: str, side: int) -> "keras.Model":
    """Build a compiled model from pixels (n, side, side, 3), 0..255, to a logit (n, 1)."""
    import keras

    pixels = keras.Input((side, side, 3), name="pixels")
    logit = SCRATCH_MODELS[name].apply_network(keras.layers.Rescaling(1 / 127.5, -1)(pixels))
    model = keras.Model(pixels, logit, name=f"{name}-{side}")
    model.compile(
        keras.optimizers.AdamW(1e-3, weight_decay=1e-4),
        keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=LABEL_SMOOTHING),
        metrics=[keras.metrics.AUC(name="auc", from_logits=True)],
    )
    return model


def wrap_as_detector(model: "keras.Model", side: int) -> "keras.Model":
    """Wrap a model as a detector: pixels (n, side, side, 3) in, probability of *generated* out.

    The resize to the model's own side is inside.
    """
    import keras

    pixels = keras.Input((side, side, 3), name="pixels")
    # Not the compiled model: its optimizer's moments, twice its size, would be saved with it.
    network = keras.Model(model.input, model.output, name=model.name)
    logit = network(input_signals.resize_pixels(pixels, model.input_shape[1]))
    return keras.Model(
        pixels,
        keras.layers.Activation("sigmoid", name="generated")(logit),
        name=f"{model.name}_detector",
    )
