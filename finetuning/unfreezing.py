"""Unfreeze the top blocks of a base, and check after training that they changed and no frozen
weight did.

BatchNormalization stays frozen, and so in inference mode. Calling the base with training=False is
not enough: inside a functional model `fit` calls it with training=True all the same, and the
statistics drift (Keras 3.15).
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

import keras_tuner
import numpy as np

from finetuning.tuning_methods import ALL_WEIGHTS, TuningMethod
from runtime import console
from runtime.commands.suggestions import find_close_names
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


def unfreeze_blocks(
    base: LoadedBase, blocks: Iterable[Block], method: TuningMethod = ALL_WEIGHTS
) -> None:
    """Freeze the base except for the weights of these blocks that the method trains."""
    base.model.trainable = True
    # every layer by itself: `base.model.trainable = False` misses layers of a base loaded from file
    for layer in base.model.layers:
        layer.trainable = False
    for block in blocks:
        for layer in block.layers:
            layer.trainable = method.tunes_layer(layer)  # of all its weights: also a LoRA's kernel
            tuned = {id(weight) for weight in method.list_tuned_weights(layer)}
            for weight in layer.weights:
                weight.trainable = weight.trainable and id(weight) in tuned


def copy_weight(weight: "keras.Variable") -> np.ndarray:
    """Return a copy of the values of a weight."""
    import keras

    return np.copy(keras.ops.convert_to_numpy(weight))


class Guard:
    """Copy every weight of a base, and check after training which ones changed.

    Args:
        blocks: all blocks of the base, from the top down.
        n_unfrozen: number of blocks, from the top, that will be trained.
        method: how they will be trained; its matrices must have been added.
    """

    def __init__(
        self, blocks: Sequence[Block], n_unfrozen: int, method: TuningMethod = ALL_WEIGHTS
    ):
        self._blocks = blocks
        self._n_unfrozen = n_unfrozen
        self._method = method
        self._before = [
            [copy_weight(weight) for layer in block.layers for weight in layer.weights]
            for block in blocks
        ]

    def check(self, model: "keras.Model") -> list[BlockChange]:
        """Return the largest change of a trained weight of every unfrozen block.

        Raises:
            GuardError: no weight of an unfrozen block changed, or is among the model's trainable
                weights; or a frozen block changed, or a weight that the method does not train.
        """
        trainable = {id(weight) for weight in model.trainable_weights}
        block_changes = []
        for number, (block, before) in enumerate(zip(self._blocks, self._before, strict=True)):
            weights = [weight for layer in block.layers for weight in layer.weights]
            changes = {
                id(weight): float(np.abs(copy_weight(weight) - old).max())
                for weight, old in zip(weights, before, strict=True)
            }
            trained = [weight for weight in weights if id(weight) in trainable]
            if number >= self._n_unfrozen:
                _check_frozen_block(block, changes, len(trained))
            elif weights:
                self._check_unfrozen_block(block, changes, trainable)
                n_parameters = sum(int(np.prod(weight.shape)) for weight in trained)
                largest = max(changes.values())
                block_changes.append(BlockChange(block.name, n_parameters, largest))
        return block_changes

    def _check_unfrozen_block(
        self, block: Block, changes: Mapping[int, float], trainable: Set[int]
    ) -> None:
        n_trained, n_changed = len(changes.keys() & trainable), sum(map(bool, changes.values()))
        if not n_trained or not n_changed:
            raise GuardError(
                f"{block.name} was unfrozen, but this model trains {n_trained} of its "
                f"{len(changes)} weights and {n_changed} changed. Was another model compiled than "
                "the one that was unfrozen?"
            )
        for layer in block.layers:
            tuned = {id(weight) for weight in self._method.list_tuned_weights(layer)}
            for weight in layer.weights:
                if id(weight) not in tuned and (changes[id(weight)] or id(weight) in trainable):
                    raise GuardError(
                        f"{type(layer).__name__} of {block.name} must keep its {weight.name} with "
                        f"the method {self._method.name}, but it was trained or changed."
                    )


def _check_frozen_block(block: Block, changes: Mapping[int, float], n_trained: int) -> None:
    n_changed = sum(map(bool, changes.values()))
    if n_changed or n_trained:
        raise GuardError(f"{block.name} must stay frozen, but {n_changed} of its weights changed.")
