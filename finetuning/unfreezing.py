"""Unfreeze the top blocks of a base, and check after training that they changed and no frozen
weight did.

BatchNormalization stays frozen, and so in inference mode. Calling the base with training=False is
not enough: inside a functional model `fit` calls it with training=True all the same, and the
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
    """Other weights were trained than the unfrozen ones. That is a bug of the program, so it ends
    the whole search."""


@dataclass(frozen=True)
class Block:
    """The layers between one tap and the next one below it.

    Attributes:
        name: name of the tap at its upper end, as in BASE_MODELS.
        tap_below: name of the tap at its lower end; empty for the lowest block, which begins at the
            pixels.
    """

    name: str
    tap_below: str
    layers: list["keras.Layer"]


def split_into_blocks(base: LoadedBase) -> list[Block]:
    """Return the blocks of a base, from the top down; of a base that was cut at its last used tap,
    those that are left."""
    import keras

    layer_names = {layer.name for layer in base.model.layers}
    taps = {tap: layer for tap, layer in base.find_tap_layers().items() if layer in layer_names}
    blocks, assigned, below = [], set(), ""
    for tap, tap_layer in taps.items():
        part = keras.Model(base.model.input, base.model.get_layer(tap_layer).output)
        layers = [
            layer
            for layer in part.layers
            if id(layer) not in assigned and not isinstance(layer, keras.layers.InputLayer)
        ]
        assigned |= {id(layer) for layer in layers}
        blocks.append(Block(tap, below, layers))
        below = tap
    return blocks[::-1]


def parse_max_depth(text: str, blocks: Sequence[Block]) -> int:
    """Return the number of blocks from the top: `text` is that number or the lowest block's name.

    Raises:
        PlainError: it is neither.
    """
    names = [block.name for block in blocks]
    if text.isascii() and text.isdigit() and int(text[:9]) >= 1:
        return min(int(text[:9]), len(blocks))
    if text in names:
        return names.index(text) + 1
    close_names = find_close_names(text, names, 3)
    raise console.PlainError(
        f"--max-depth {text} does not name a block of this base; give a number of blocks, or one "
        f"of {', '.join(close_names or [*names[:3], '...', names[-1]])}."
    )


def unfreeze_blocks(base: LoadedBase, blocks: Iterable[Block]) -> None:
    """Freeze the base except for these blocks, but freeze their BatchNormalization."""
    import keras

    base.model.trainable = True
    # every layer by itself: `base.model.trainable = False` misses layers of a base loaded from file
    for layer in base.model.layers:
        layer.trainable = False
    for block in blocks:
        for layer in block.layers:
            layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)


def copy_weight(weight: "keras.Variable") -> np.ndarray:
    """Return a copy of the values of a weight."""
    import keras

    return np.copy(keras.ops.convert_to_numpy(weight))


class Guard:
    """Copy every weight of a base, and check after training which ones changed.

    Args:
        blocks: all blocks of the base, from the top down.
        n_unfrozen: number of blocks, from the top, that will be trained.
    """

    def __init__(self, blocks: Sequence[Block], n_unfrozen: int):
        self._blocks = blocks
        self._n_unfrozen = n_unfrozen
        self._before = [
            [copy_weight(weight) for layer in block.layers for weight in layer.weights]
            for block in blocks
        ]

    def check(self, model: "keras.Model") -> list[BlockChange]:
        """Return the largest weight change of every unfrozen block.

        Raises:
            GuardError: an unfrozen block did not change, or is not among the model's trainable
                weights; or a frozen block, or any BatchNormalization, changed.
        """
        trainable = {id(weight) for weight in model.trainable_weights}
        block_changes = []
        for number, (block, before) in enumerate(zip(self._blocks, self._before, strict=True)):
            weights = [weight for layer in block.layers for weight in layer.weights]
            changes = [
                float(np.abs(copy_weight(weight) - old).max())
                for weight, old in zip(weights, before, strict=True)
            ]
            trained = [weight for weight in weights if id(weight) in trainable]
            if number >= self._n_unfrozen:
                _check_frozen_block(block, changes, trained)
            elif weights:
                _check_unfrozen_block(block, weights, changes, trained)
                n_parameters = sum(int(np.prod(weight.shape)) for weight in trained)
                block_changes.append(BlockChange(block.name, n_parameters, max(changes)))
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
    batch_normalisation = {
        id(weight)
        for layer in block.layers
        if isinstance(layer, keras.layers.BatchNormalization)
        for weight in layer.weights
    }
    if any(
        change
        for weight, change in zip(weights, changes, strict=True)
        if id(weight) in batch_normalisation
    ):
        raise GuardError(
            f"BatchNormalization of {block.name} must stay in inference mode, but changed."
        )
