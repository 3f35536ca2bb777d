"""The boundary between frozen and unfrozen blocks: choose it, build the model below it (the front)
and the model above it (the tail)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from finetuning.unfreezing import Block
from training.detectors import assembly
from training.detectors.detector_parts import DetectorParts
from training.features import layout
from training.features.layout import Column

if TYPE_CHECKING:
    import keras


PIXELS_ARRAY, FROZEN_FEATURES_ARRAY = "pixels", "frozen"

MAX_ACTIVATION_RATIO = 1.1
"""Largest activations, in numbers per number of the pixels; a transformer's tokens have 1.005."""


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """Inputs of a tail.

    Attributes:
        tap: the tap below the unfrozen blocks; empty if these begin at the pixels.
        names: names of the arrays, in the order of the tail's inputs.
        shapes: shape of one row of each array.
        dtype: uint8 for pixels, float32 for activations.
        pixels_reason: why the pixels were chosen instead of activations; empty if they were not.
    """

    tap: str
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtype: str
    pixels_reason: str = ""

    @property
    def bytes_per_row(self) -> int:
        return sum(math.prod(shape) for shape in self.shapes) * np.dtype(self.dtype).itemsize


def choose_boundary(
    parts: DetectorParts, unfrozen: Sequence[Block], n_rows: int, max_gigabytes: float
) -> Boundary:
    """Choose the boundary below the unfrozen blocks; the pixels if its activations would be larger
    than MAX_ACTIVATION_RATIO allows, or than `max_gigabytes` in all."""
    side = parts.card.image_size
    pixels = Boundary(tap="", names=(PIXELS_ARRAY,), shapes=((side, side, 3),), dtype="uint8")
    below = unfrozen[-1].tap_below
    if not below:
        return pixels
    columns = assembly.list_member_columns(parts.members)
    base_inputs = list(dict.fromkeys(column.base_input for column in columns))
    front = build_front(parts, below)
    names = [
        *(f"{below} of the {signal} at {size}" for size, signal in base_inputs),
        FROZEN_FEATURES_ARRAY,
    ]
    shapes = [tuple(output.shape[1:]) for output in front.outputs]
    boundary = Boundary(
        tap=below, names=tuple(names[: len(shapes)]), shapes=tuple(shapes), dtype="float32"
    )
    activation_bytes = 4 * sum(math.prod(shape) for shape in shapes[: len(base_inputs)])
    gigabytes = boundary.bytes_per_row * n_rows / 1e9
    activations = f"activations below {unfrozen[-1].name}"
    if activation_bytes > MAX_ACTIVATION_RATIO * 4 * side * side * 3:
        kilobytes = activation_bytes / 1e3
        reason = f"{activations} exceed the pixels ({kilobytes:.0f} kB a view)"
        return replace(pixels, pixels_reason=reason)
    if gigabytes > max_gigabytes:
        reason = f"{activations} take {gigabytes:.1f} GB, over --disk {max_gigabytes:g}"
        return replace(pixels, pixels_reason=reason)
    return boundary


def split_columns(parts: DetectorParts, tap: str) -> tuple[list[Column], list[Column]]:
    """Return the columns whose taps lie at or below the boundary, and those above it."""
    taps = parts.base.list_tap_names()
    frozen_taps = set(taps[: taps.index(tap) + 1])
    columns = assembly.list_member_columns(parts.members)
    return (
        [column for column in columns if column.tap in frozen_taps],
        [column for column in columns if column.tap not in frozen_taps],
    )


def build_front(parts: DetectorParts, tap: str) -> "keras.Model":
    """Build the model from pixels to the boundary.

    One output of activations for every input size and signal, then the features of frozen taps if
    a head reads any.
    """
    import keras

    side = parts.card.image_size
    frozen, _ = split_columns(parts, tap)
    pixels = keras.Input((side, side, 3), name="pixels")
    needed_taps = {tap, *(column.tap for column in frozen)}
    taps = [name for name in parts.base.list_tap_names() if name in needed_taps]
    tapped_base = parts.base.build_tapped(taps)
    outputs, features = [], {}
    for base_input in dict.fromkeys(
        column.base_input for column in assembly.list_member_columns(parts.members)
    ):
        prepared = layout.prepare_base_input(pixels, parts.base, *base_input)
        by_tap = dict(zip(taps, tapped_base(prepared, training=False), strict=True))
        outputs.append(by_tap[tap])
        features |= {
            column: layout.pool_tap(by_tap[column.tap], column.statistic)
            for column in frozen
            if column.base_input == base_input
        }
    return keras.Model(
        pixels,
        [*outputs, layout.concatenate_columns(features, frozen)] if frozen else outputs,
        name="front",
    )


def build_tail(parts: DetectorParts, boundary: Boundary) -> "keras.Model":
    """Build the model from the boundary to the logit, (n, 1).

    It shares its layers with the base and the heads of `parts`.
    """
    import keras

    inputs = [
        keras.Input(shape, name=f"input{number}") for number, shape in enumerate(boundary.shapes)
    ]
    columns = assembly.list_member_columns(parts.members)
    if not boundary.tap:
        features = layout.compute_columns(inputs[0], parts.base, columns)
        logit = assembly.compute_ensemble_logit(features, parts.members)
        return keras.Model(inputs, logit, name="tail")
    layers = parts.base.find_tap_layers()
    frozen, unfrozen = split_columns(parts, boundary.tap)
    taps = [tap for tap in layers if tap in {column.tap for column in unfrozen}]
    start = parts.base.model.get_layer(layers[boundary.tap]).output
    upper = keras.Model(
        start, [parts.base.model.get_layer(layers[tap]).output for tap in taps], name="upper"
    )
    features: dict[Column, keras.KerasTensor] = {}
    for base_input, activations in zip(
        dict.fromkeys(column.base_input for column in columns), inputs, strict=False
    ):
        by_tap = dict(zip(taps, upper(activations, training=False), strict=True))
        features |= {
            column: layout.pool_tap(by_tap[column.tap], column.statistic)
            for column in unfrozen
            if column.base_input == base_input
        }
    start_column = 0
    for column in frozen:
        width = column.stop - column.start
        features[column] = inputs[-1][:, start_column : start_column + width]
        start_column += width
    logit = assembly.compute_ensemble_logit(features, parts.members)
    return keras.Model(inputs, logit, name="tail")
