"""Opens the top blocks of a base, and proves afterwards that these moved and nothing else did.

BatchNormalization stays frozen, and with it in inference mode. To call the base with training=False
is not enough: inside a functional model `fit` calls it with training=True all the same, and the
statistics drift (Keras 3.15).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import keras_tuner
import numpy as np

from runtime import console
from runtime.suggestions import find_close_names
from training.bases.loaded_base import LoadedBase
from training.detectors.card_fields import BlockChange

if TYPE_CHECKING:
    import keras


class GuardError(keras_tuner.errors.FatalRuntimeError):
    """Something else was trained than what was opened. It is a fault of the program, and no search
    goes on over it."""


@dataclass(frozen=True)
class Block:
    """The layers between one tap and the next one below it.

    Attributes:
        name: of the tap at its upper end, as BASE_MODELS names it.
        tap_below: name of the tap at its lower end; empty for the lowest block, which begins at the
            pixels.
    """

    name: str
    tap_below: str
    layers: list["keras.Layer"]


def split_into_blocks(base: LoadedBase) -> list[Block]:
    """The blocks of a base from the top down; of a base that was cut at its last wanted tap, those
    that are left."""
    import keras

    there = {layer.name for layer in base.model.layers}
    taps = {tap: layer for tap, layer in base.find_tap_layers().items() if layer in there}
    found, seen, below = [], set(), ""
    for tap, layer in taps.items():
        part = keras.Model(base.model.input, base.model.get_layer(layer).output)
        layers = [
            one
            for one in part.layers
            if id(one) not in seen and not isinstance(one, keras.layers.InputLayer)
        ]
        seen |= {id(one) for one in layers}
        found.append(Block(tap, below, layers))
        below = tap
    return found[::-1]


def parse_max_depth(wanted: str, found: Sequence[Block]) -> int:
    """How many blocks from the top `wanted` names: a number, or the name of the lowest one.

    Raises:
        PlainError: it is neither.
    """
    names = [block.name for block in found]
    if wanted.isascii() and wanted.isdigit() and int(wanted[:9]) >= 1:
        return min(int(wanted[:9]), len(found))
    if wanted in names:
        return names.index(wanted) + 1
    close = find_close_names(wanted, names, 3)
    raise console.PlainError(
        f"--max-depth {wanted} does not name a block of this base; give a number of blocks, or one of "
        f"{', '.join(close or [*names[:3], '...', names[-1]])}."
    )


def unfreeze_blocks(base: LoadedBase, opened: Iterable[Block]) -> None:
    """Freezes the base but for these blocks, and their BatchNormalization."""
    import keras

    base.model.trainable = True
    for layer in (
        base.model.layers
    ):  # one by one: in a base loaded from a file the switch of the whole does not reach them
        layer.trainable = False
    for block in opened:
        for layer in block.layers:
            layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)


def copy_weight(weight: "keras.Variable") -> np.ndarray:
    """A copy of a weight's numbers."""
    import keras

    return np.copy(keras.ops.convert_to_numpy(weight))


class Guard:
    """Remembers every weight of a base, and tells after training what has moved.

    Args:
        found: all blocks of the base.
        opened: how many of them, from the top, are to be trained.
    """

    def __init__(self, found: Sequence[Block], opened: int):
        self._blocks = found
        self._opened = opened
        self._before = [
            [copy_weight(weight) for layer in block.layers for weight in layer.weights]
            for block in found
        ]

    def check(self, model: "keras.Model") -> list[BlockChange]:
        """Movements of the opened blocks.

        Raises:
            GuardError: an opened block stood still or is not among the model's trainable weights; a
                frozen block, or any BatchNormalization, moved.
        """

        training = {id(weight) for weight in model.trainable_weights}
        block_changes = []
        for number, (block, before) in enumerate(zip(self._blocks, self._before, strict=True)):
            weights = [weight for layer in block.layers for weight in layer.weights]
            changes = [
                float(np.abs(copy_weight(weight) - old).max())
                for weight, old in zip(weights, before, strict=True)
            ]
            trained = [weight for weight in weights if id(weight) in training]
            if number >= self._opened:
                _check_frozen_block(block, changes, trained)
            elif weights:
                _check_unfrozen_block(block, weights, changes, trained)
                count = sum(int(np.prod(weight.shape)) for weight in trained)
                block_changes.append(BlockChange(block.name, count, max(changes)))
        return block_changes


def _check_frozen_block(block: Block, changes: Sequence[float], trained: Sequence) -> None:
    if any(changes) or trained:
        raise GuardError(
            f"{block.name} must stay frozen, but {sum(map(bool, changes))} of its weights changed."
        )


def _check_unfrozen_block(
    block: Block, weights: Sequence, changes: Sequence[float], trained: Sequence
) -> None:
    import keras

    if not trained or not any(changes):
        raise GuardError(
            f"{block.name} was unfrozen, but this model trains {len(trained)} of its "
            f"{len(weights)} weights and {sum(map(bool, changes))} changed. Was another model "
            "compiled than the one that was unfrozen?"
        )
    normalisation = {
        id(weight)
        for layer in block.layers
        if isinstance(layer, keras.layers.BatchNormalization)
        for weight in layer.weights
    }
    if any(
        change
        for weight, change in zip(weights, changes, strict=True)
        if id(weight) in normalisation
    ):
        raise GuardError(
            f"BatchNormalization of {block.name} must stay in inference mode, but changed."
        )
