"""Joins base and head into one keras.Model: pixels in, probability of *generated* out, preprocessing inside.

Only built-in layers and operations are used, so `keras.saving.load_model` opens the result without our code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from training import base_models

if TYPE_CHECKING:
    import keras

STATISTICS = ("mean", "std")


@dataclass(frozen=True)
class Column:
    """A run of numbers in a feature vector: one statistic of one tap at one input size, from `start` to `stop`."""

    size: int
    tap: str
    statistic: str
    start: int
    stop: int


def resize_matrix(before: int, after: int) -> np.ndarray:
    """Lanczos-3 weights with antialiasing, as Pillow resamples one line; float32, shape (before, after)."""
    lines = Image.fromarray(np.eye(before, dtype=np.float32))
    return np.asarray(lines.resize((after, before), Image.Resampling.LANCZOS))


def resized(pixels: "keras.KerasTensor", side: int) -> "keras.KerasTensor":
    """Resizes square pictures as two matrix products: `keras.layers.Resizing(antialias=True)` exports to invalid ONNX.

    Dense layers work on the last axis, so each product is a Dense with fixed weights between two permutations.
    """
    import keras

    before = pixels.shape[1]
    if before == side:
        return pixels
    columns, rows = (
        keras.layers.Dense(side, use_bias=False, trainable=False, name=f"resize{side}_{axis}") for axis in ("columns", "rows")
    )
    turned = columns(keras.layers.Permute((1, 3, 2))(pixels))
    turned = rows(keras.layers.Permute((3, 2, 1))(turned))
    for layer in (columns, rows):
        layer.set_weights([resize_matrix(before, side)])
    return keras.layers.Permute((3, 1, 2))(turned)


def pooled(tap: "keras.KerasTensor", statistic: str) -> "keras.KerasTensor":
    """Mean or standard deviation of every channel over the picture."""
    import keras

    if statistic == "mean":
        return keras.layers.GlobalAveragePooling2D()(tap)
    # Without the constant the gradient of a flat channel would be NaN once the base is fine-tuned; the layers below may then
    # calculate with half the width, which is too coarse for a variance.
    return keras.ops.sqrt(keras.ops.var(keras.ops.cast(tap, "float32"), axis=(1, 2)) + 1e-6)


def prepared(pixels: "keras.KerasTensor", name: str, size: int) -> "keras.KerasTensor":
    """Pixels of 0..255 at one input size, as the base was trained on them."""
    return base_models.preprocessed(resized(pixels, size), name)


def layout(base: "keras.Model", name: str, sizes: Sequence[int]) -> list[Column]:
    """The columns of the feature vector that has everything: by size, then by tap from the pixels up, mean before std."""
    columns: list[Column] = []
    start = 0
    tapped = base_models.tapped(base, name)
    for size in sizes:
        for tap, output in zip(base_models.tap_names(base, name), tapped.outputs, strict=True):
            for statistic in STATISTICS:
                stop = start + output.shape[-1]
                columns.append(Column(size, tap, statistic, start, stop))
                start = stop
    return columns


def parts(
    pixels: "keras.KerasTensor", base: "keras.Model", name: str, columns: Sequence[Column]
) -> dict[Column, "keras.KerasTensor"]:
    """Computes the given columns; parts of the base above the last wanted tap are left out."""
    wanted = {column.tap for column in columns}
    names = [tap for tap in base_models.tap_names(base, name) if tap in wanted]
    tapped = base_models.tapped(base, name, names)
    found = {}
    for size in dict.fromkeys(column.size for column in columns):
        outputs = tapped(prepared(pixels, name, size), training=False)
        by_tap = dict(zip(names, outputs, strict=True))
        found |= {column: pooled(by_tap[column.tap], column.statistic) for column in columns if column.size == size}
    return found


def vector(found: Mapping[Column, "keras.KerasTensor"], columns: Sequence[Column]) -> "keras.KerasTensor":
    """Puts columns one after the other, in the given order: (n, width)."""
    import keras

    ordered = [found[column] for column in columns]
    return ordered[0] if len(ordered) == 1 else keras.layers.Concatenate()(ordered)


def extractor(base: "keras.Model", name: str, sizes: Sequence[int], side: int) -> "keras.Model":
    """Pixels (n, side, side, 3), 0..255, to every feature there is at every input size, float32 (n, width)."""
    import keras

    base.trainable = False
    pixels = keras.Input((side, side, 3), name="pixels")
    columns = layout(base, name, sizes)
    return keras.Model(pixels, vector(parts(pixels, base, name, columns), columns), name=f"{name}_features")


@dataclass(frozen=True)
class Member:
    """A head of the detector: what it looks at, its model (features to a logit), and the weight of its logit."""

    columns: list[Column]
    head: "keras.Model"
    weight: float


def join(base: "keras.Model", name: str, side: int, members: Sequence[Member]) -> "keras.Model":
    """The detector: pixels (n, side, side, 3), 0..255, to the calibrated probability of *generated*, (n, 1)."""
    import keras

    base.trainable = False
    pixels = keras.Input((side, side, 3), name="pixels")
    logit = spoken(parts(pixels, base, name, columns_of(members)), members)
    return keras.Model(pixels, keras.layers.Activation("sigmoid", name="generated")(logit), name="detector")


def columns_of(members: Sequence[Member]) -> list[Column]:
    """Every column that a member looks at, once."""
    return list(dict.fromkeys(column for member in members for column in member.columns))


def spoken(found: Mapping[Column, "keras.KerasTensor"], members: Sequence[Member]) -> "keras.KerasTensor":
    """The weighted sum of the members' logits, (n, 1); temperatures are part of the weights."""
    import keras

    logits = [keras.layers.Rescaling(member.weight)(member.head(vector(found, member.columns))) for member in members]
    return logits[0] if len(logits) == 1 else keras.layers.Add()(logits)
