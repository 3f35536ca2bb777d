"""Lay out the feature vector in columns, and build the Keras layers that compute them."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.bases.input_signals import SIGNALS, resize_pixels

if TYPE_CHECKING:
    import keras

    from training.bases.loaded_base import LoadedBase


POOLING_STATISTICS = ("mean", "std")

CLASS_STATISTIC = "class"
"""The class token of a tap that holds tokens; heads that read such a tap always read it."""


@dataclass(frozen=True)
class Column:
    """A slice of the feature vector: one statistic of one tap, at one input size.

    Not keyword-only: explainer.json stores columns as lists of these fields in their order.

    Attributes:
        size: input size of the base in pixels.
        statistic: name in POOLING_STATISTICS, or CLASS_STATISTIC.
        start, stop: of the slice.
        signal: input of the base, a name in SIGNALS.
    """

    size: int
    tap: str
    statistic: str
    start: int
    stop: int
    signal: str = "picture"

    @property
    def base_input(self) -> tuple[int, str]:
        """Input size and signal."""
        return self.size, self.signal

    @property
    def tap_key(self) -> tuple[int, str, str]:
        """Input size, signal and tap."""
        return self.size, self.signal, self.tap


def has_class_token(shape: Sequence[int]) -> bool:
    """Return whether a tap of this shape holds a class token before a square of patches."""
    return len(shape) == 3 and math.isqrt(shape[1]) ** 2 != shape[1]


def pool_tap(tap: "keras.KerasTensor", statistic: str) -> "keras.KerasTensor":
    """Return the mean or standard deviation of every channel over the picture.

    Args:
        tap: (n, height, width, channels), or tokens (n, tokens, channels).
        statistic: CLASS_STATISTIC for a class token; the others leave it out.
    """
    import keras

    if statistic == CLASS_STATISTIC:
        return tap[:, 0]
    if len(tap.shape) == 3:
        side = math.isqrt(tap.shape[1])
        patches = tap[:, 1:] if has_class_token(tap.shape) else tap
        tap = keras.layers.Reshape((side, side, tap.shape[2]))(patches)
    if statistic == "mean":
        return keras.layers.GlobalAveragePooling2D()(tap)
    # Without the constant, fine-tuning the base would give a flat channel a NaN gradient. Layers
    # below may then calculate in bfloat16, which is too coarse for a variance: hence the cast.
    return keras.ops.sqrt(keras.ops.var(keras.ops.cast(tap, "float32"), axis=(1, 2)) + 1e-6)


def prepare_base_input(
    pixels: "keras.KerasTensor", base: "LoadedBase", size: int, signal: str = "picture"
) -> "keras.KerasTensor":
    """Resize pixels of 0..255, compute the signal, and preprocess it as the base expects."""
    return base.preprocess(SIGNALS[signal](resize_pixels(pixels, size, signal)))


def list_columns(
    base: "LoadedBase", sizes: Sequence[int], signals: Sequence[str] = ("picture",)
) -> list[Column]:
    """Return the columns of the full feature vector.

    They are ordered by signal, then size, then tap from the pixels up, with the class token first
    and mean before std.
    """
    columns: list[Column] = []
    start = 0
    taps = list(zip(base.list_tap_names(), base.build_tapped().outputs, strict=True))
    for signal, size, (tap, output) in itertools.product(signals, sizes, taps):
        of_class = (CLASS_STATISTIC,) if has_class_token(output.shape) else ()
        for statistic in of_class + POOLING_STATISTICS:
            stop = start + output.shape[-1]
            columns.append(Column(size, tap, statistic, start, stop, signal))
            start = stop
    return columns


def compute_columns(
    pixels: "keras.KerasTensor", base: "LoadedBase", columns: Sequence[Column]
) -> dict[Column, "keras.KerasTensor"]:
    """Compute the given columns; the base's layers above their last tap are left out."""
    used_taps = {column.tap for column in columns}
    names = [tap for tap in base.list_tap_names() if tap in used_taps]
    tapped = base.build_tapped(names)
    tensors = {}
    for base_input in dict.fromkeys(column.base_input for column in columns):
        outputs = tapped(prepare_base_input(pixels, base, *base_input), training=False)
        by_tap = dict(zip(names, outputs, strict=True))
        tensors |= {
            column: pool_tap(by_tap[column.tap], column.statistic)
            for column in columns
            if column.base_input == base_input
        }
    return tensors


def concatenate_columns(
    tensors: Mapping[Column, "keras.KerasTensor"], columns: Sequence[Column]
) -> "keras.KerasTensor":
    """Concatenate the tensors of these columns in their order, (n, width)."""
    import keras

    ordered = [tensors[column] for column in columns]
    return ordered[0] if len(ordered) == 1 else keras.layers.Concatenate()(ordered)


def build_extractor_model(
    base: "LoadedBase",
    sizes: Sequence[int],
    side: int,
    signals: Sequence[str] = ("picture",),
) -> "keras.Model":
    """Build the model from pixels (n, side, side, 3), 0..255, to all features, float32 (n, width).

    These are the features of every signal at every input size.
    """
    import keras

    base.model.trainable = False
    pixels = keras.Input((side, side, 3), name="pixels")
    columns = list_columns(base, sizes, signals)
    return keras.Model(
        pixels,
        concatenate_columns(compute_columns(pixels, base, columns), columns),
        name=f"{base.spec.name}_features",
    )
