"""Define TUNING_METHODS, one row per way to tune unfrozen blocks: which of their weights move."""

import contextlib
import gc
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime import console
from training.bases.tower_presets import TOWER_PRESETS

if TYPE_CHECKING:
    import keras

LORA_RANK = 8


@dataclass(frozen=True, kw_only=True)
class TuningMethod:
    """One way to tune unfrozen blocks. BatchNormalization stays frozen with all of them.

    Attributes:
        name: in settings, cards and logs.
        layer_class: class in keras.layers; layers of other classes stay frozen.
        verb: for the card, behind the names of the blocks.
        rank: of the matrices that are trained in place of a layer's weights; 0 for none.
        towers_only: whether it takes vision transformers alone.
    """

    name: str
    layer_class: str
    verb: str
    rank: int = 0
    towers_only: bool = True

    def tunes_layer(self, layer: "keras.Layer") -> bool:
        """Return whether it trains weights of this layer."""
        import keras

        return isinstance(layer, getattr(keras.layers, self.layer_class)) and not isinstance(
            layer, keras.layers.BatchNormalization
        )

    def list_tuned_weights(self, layer: "keras.Layer") -> list["keras.Variable"]:
        """Return the weights of a layer that it trains; low-rank matrices must have been added."""
        if not self.tunes_layer(layer):
            return []
        return [layer.lora_kernel_a, layer.lora_kernel_b] if self.rank else layer.weights

    @contextlib.contextmanager
    def add_matrices(self, layers: Iterable["keras.Layer"]) -> Iterator[None]:
        """Add the method's low-rank matrices, if it has any, in the context; then merge them.

        Afterwards the layers have the weights that they had before, and give the same outputs as
        with the matrices. Leave contexts of another precision first: a merged kernel has the
        precision in which its layer calculates.
        """
        tuned = [layer for layer in layers if self.rank and self.tunes_layer(layer)]
        try:
            for layer in tuned:
                layer.enable_lora(self.rank)
            yield
        finally:
            _merge_matrices(layer for layer in tuned if layer.lora_enabled)


def _merge_matrices(layers: Iterable["keras.Layer"]) -> None:
    import keras

    gc.freeze()  # or else Keras searches all objects for garbage, for seconds, with every `del`
    for layer in layers:
        kernel = keras.ops.convert_to_numpy(layer.kernel)
        del layer.lora_kernel_a, layer.lora_kernel_b
        layer.lora_enabled, layer.lora_rank, layer.lora_alpha = False, None, None
        layer.kernel.assign(kernel)
    gc.unfreeze()


TUNING_METHODS = {
    row.name: row
    for row in (
        TuningMethod(name="blocks", layer_class="Layer", verb="fine-tuned", towers_only=False),
        TuningMethod(
            name="norms",
            layer_class="LayerNormalization",
            verb="fine-tuned (normalisations alone)",
        ),
        TuningMethod(
            name="lora",
            layer_class="Dense",
            verb=f"fine-tuned (LoRA of rank {LORA_RANK})",
            rank=LORA_RANK,
        ),
    )
}
ALL_WEIGHTS = TUNING_METHODS["blocks"]


def select_methods(base: str, names: Sequence[str]) -> list[TuningMethod]:
    """Return the named methods, or all that a base takes.

    Raises:
        PlainError: the base does not take one of them.
    """
    taken = [
        method
        for method in TUNING_METHODS.values()
        if base in TOWER_PRESETS or not method.towers_only
    ]
    if refused := [name for name in names if TUNING_METHODS[name] not in taken]:
        raise console.PlainError(
            f"--methods is {' '.join(names)}, but {base} does not take {refused[0]}; choose of "
            f"{', '.join(method.name for method in taken)}."
        )
    return [TUNING_METHODS[name] for name in names] if names else taken
