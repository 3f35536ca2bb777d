"""The boundary between frozen and unfrozen blocks: where it lies, the model below it and the model
above it."""

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


@dataclass(frozen=True)
class Boundary:
    """Inputs of a tail.

    Attributes:
        tap: the tap that the opened blocks stand on; empty if they begin at the pixels.
        names: of the arrays, in the order of the tail's inputs.
        shapes: of one row of each.
        dtype: uint8 for pixels, float32 for activations.
        pixels_reason: why the pixels were chosen; empty if they were not.
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
    """The boundary under the opened blocks, or the pixels if it would be larger than these or than
    `disk` gigabytes."""
    side = parts.card.image_size
    pixels = Boundary("", (PIXELS_ARRAY,), ((side, side, 3),), "uint8")
    below = unfrozen[-1].tap_below
    if not below:
        return pixels
    columns = assembly.list_member_columns(parts.members)
    shown = list(dict.fromkeys(column.base_input for column in columns))
    front = build_front(parts, below)
    names = [
        *(f"{below} of the {signal} at {size}" for size, signal in shown),
        FROZEN_FEATURES_ARRAY,
    ]
    shapes = [tuple(output.shape[1:]) for output in front.outputs]
    found = Boundary(below, tuple(names[: len(shapes)]), tuple(shapes), "float32")
    activations, gigabytes = (
        4 * sum(math.prod(shape) for shape in shapes[: len(shown)]),
        found.bytes_per_row * n_rows / 1e9,
    )
    if activations > 4 * side * side * 3:
        return replace(
            pixels,
            pixels_reason=f"activations under {unfrozen[-1].name} exceed the pixels ({activations / 1e3:.0f} kB a view)",
        )
    if gigabytes > max_gigabytes:
        return replace(
            pixels,
            pixels_reason=f"activations under {unfrozen[-1].name} take {gigabytes:.1f} GB, over --disk {max_gigabytes:g}",
        )
    return found


def split_columns(parts: DetectorParts, tap: str) -> tuple[list[Column], list[Column]]:
    """The columns whose taps lie at or under the boundary, and those above it."""
    taps = parts.base.list_tap_names()
    under = set(taps[: taps.index(tap) + 1])
    columns = assembly.list_member_columns(parts.members)
    return [c for c in columns if c.tap in under], [c for c in columns if c.tap not in under]


def build_front(parts: DetectorParts, tap: str) -> "keras.Model":
    """Pixels to the activations at the boundary, one output per input size and signal, and what
    frozen taps contribute."""
    import keras

    side = parts.card.image_size
    frozen, _ = split_columns(parts, tap)
    pixels = keras.Input((side, side, 3), name="pixels")
    wanted = {tap, *(column.tap for column in frozen)}
    taps = [each for each in parts.base.list_tap_names() if each in wanted]
    cut = parts.base.build_tapped(taps)
    outputs, found = [], {}
    for shown in dict.fromkeys(
        column.base_input for column in assembly.list_member_columns(parts.members)
    ):
        by_tap = dict(
            zip(
                taps,
                cut(layout.prepare_base_input(pixels, parts.base, *shown), training=False),
                strict=True,
            )
        )
        outputs.append(by_tap[tap])
        found |= {
            column: layout.pool_tap(by_tap[column.tap], column.statistic)
            for column in frozen
            if column.base_input == shown
        }
    return keras.Model(
        pixels,
        [*outputs, layout.concatenate_columns(found, frozen)] if frozen else outputs,
        name="front",
    )


def build_tail(parts: DetectorParts, boundary: Boundary) -> "keras.Model":
    """From the boundary to the logit, (n, 1); it shares its layers with the parts's base and
    heads."""
    import keras

    inputs = [
        keras.Input(shape, name=f"input{number}") for number, shape in enumerate(boundary.shapes)
    ]
    columns = assembly.list_member_columns(parts.members)
    if not boundary.tap:
        found = layout.compute_columns(inputs[0], parts.base, columns)
        return keras.Model(
            inputs, assembly.compute_ensemble_logit(found, parts.members), name="tail"
        )
    layers = parts.base.find_tap_layers()
    frozen, above = split_columns(parts, boundary.tap)
    taps = [tap for tap in layers if tap in {column.tap for column in above}]
    start = parts.base.model.get_layer(layers[boundary.tap]).output
    upper = keras.Model(
        start, [parts.base.model.get_layer(layers[tap]).output for tap in taps], name="upper"
    )
    found: dict[Column, keras.KerasTensor] = {}
    for shown, activations in zip(
        dict.fromkeys(column.base_input for column in columns), inputs, strict=False
    ):
        outputs = upper(activations, training=False)
        by_tap = dict(zip(taps, outputs, strict=True))
        found |= {
            c: layout.pool_tap(by_tap[c.tap], c.statistic) for c in above if c.base_input == shown
        }
    place = 0
    for column in frozen:
        width = column.stop - column.start
        found[column] = inputs[-1][:, place : place + width]
        place += width
    return keras.Model(inputs, assembly.compute_ensemble_logit(found, parts.members), name="tail")
