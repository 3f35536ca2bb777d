"""The feature vector: which tap, statistic, input size and signal each column holds, and the Keras
layers that compute it."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.bases.input_signals import SIGNALS, resize_pixels

if TYPE_CHECKING:
    import keras

    from training.bases.loaded_base import LoadedBase


POOLING_STATISTICS = ("mean", "std")


@dataclass(frozen=True)
class Column:
    """A run of numbers in a feature vector: one statistic of one tap at one input size, from
    `start` to `stop`.

    Attributes:
        signal: what the base was shown, a name in SIGNALS.
    """

    size: int
    tap: str
    statistic: str
    start: int
    stop: int
    signal: str = "picture"

    @property
    def base_input(self) -> tuple[int, str]:
        """Input of the base: size and signal."""
        return self.size, self.signal

    @property
    def tap_key(self) -> tuple[int, str, str]:
        """Where its numbers come from: input size, signal and tap."""
        return self.size, self.signal, self.tap


def pool_tap(tap: "keras.KerasTensor", statistic: str) -> "keras.KerasTensor":
    """Mean or standard deviation of every channel over the picture."""
    import keras

    if statistic == "mean":
        return keras.layers.GlobalAveragePooling2D()(tap)
    # Without the constant the gradient of a flat channel would be NaN once the base is fine-tuned;
    # the layers below may then calculate with half the width, which is too coarse for a variance.
    return keras.ops.sqrt(keras.ops.var(keras.ops.cast(tap, "float32"), axis=(1, 2)) + 1e-6)


def prepare_base_input(
    pixels: "keras.KerasTensor", base: "LoadedBase", size: int, signal: str = "picture"
) -> "keras.KerasTensor":
    """Pixels of 0..255 at one input size, or another signal of them, as the base was trained on
    pictures."""
    return base.preprocess(SIGNALS[signal](resize_pixels(pixels, size, signal)))


def list_columns(
    base: "LoadedBase", sizes: Sequence[int], signals: Sequence[str] = ("picture",)
) -> list[Column]:
    """The columns of the feature vector that has everything.

    By signal, then by size, then by tap from the pixels up, mean before std.
    """
    columns: list[Column] = []
    start = 0
    taps = list(zip(base.list_tap_names(), base.build_tapped().outputs, strict=True))
    for signal, size, (tap, output), statistic in itertools.product(
        signals, sizes, taps, POOLING_STATISTICS
    ):
        stop = start + output.shape[-1]
        columns.append(Column(size, tap, statistic, start, stop, signal))
        start = stop
    return columns


def compute_columns(
    pixels: "keras.KerasTensor", base: "LoadedBase", columns: Sequence[Column]
) -> dict[Column, "keras.KerasTensor"]:
    """Computes the given columns; parts of the base above the last wanted tap are left out."""
    wanted = {column.tap for column in columns}
    names = [tap for tap in base.list_tap_names() if tap in wanted]
    tapped = base.build_tapped(names)
    found = {}
    for shown in dict.fromkeys(column.base_input for column in columns):
        outputs = tapped(prepare_base_input(pixels, base, *shown), training=False)
        by_tap = dict(zip(names, outputs, strict=True))
        found |= {c: pool_tap(by_tap[c.tap], c.statistic) for c in columns if c.base_input == shown}
    return found


def concatenate_columns(
    found: Mapping[Column, "keras.KerasTensor"], columns: Sequence[Column]
) -> "keras.KerasTensor":
    """Puts columns one after the other, in the given order: (n, width)."""
    import keras

    ordered = [found[column] for column in columns]
    return ordered[0] if len(ordered) == 1 else keras.layers.Concatenate()(ordered)


def build_extractor_model(
    base: "LoadedBase",
    sizes: Sequence[int],
    side: int,
    signals: Sequence[str] = ("picture",),
) -> "keras.Model":
    """Pixels (n, side, side, 3), 0..255, to every feature there is of every signal at every input
    size, float32 (n, width)."""
    import keras

    base.model.trainable = False
    pixels = keras.Input((side, side, 3), name="pixels")
    columns = list_columns(base, sizes, signals)
    return keras.Model(
        pixels,
        concatenate_columns(compute_columns(pixels, base, columns), columns),
        name=f"{base.spec.name}_features",
    )
