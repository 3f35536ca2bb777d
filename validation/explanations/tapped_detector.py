"""TappedDetector: a saved detector in Keras, with the activations that its heads use."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from training import accelerators
from training.bases import loaded_base, weights
from training.bases.loaded_base import LoadedBase
from training.detectors import assembly
from training.detectors.assembly import DetectorPart
from training.features import layout
from training.features.layout import Column
from validation.explanations.attribution import Attribution, Attributor, NumpyHead, TapActivations

if TYPE_CHECKING:
    import keras

    from training.detectors.detector_parts import DetectorParts


class TappedDetector:
    """Bases and heads of one detector.

    With several bases their names precede those of the taps, which they share.

    Attributes:
        tap_keys: input size, signal and tap of each output of `activations`, in order.
        activations: Keras model from pixels (n, side, side, 3), 0..255, to the tapped activations.
    """

    def __init__(self, parts: "DetectorParts"):
        self.parts = parts
        self.side = parts.card.image_size
        self._build_taps(parts.parts)

    def _build_taps(self, parts: Sequence[DetectorPart]) -> None:
        import keras

        pixels = keras.Input((self.side, self.side, 3), name="pixels")
        heads, outputs, self.tap_keys = [], [], []
        for part in parts:
            prefix = f"{part.base.spec.name}/" if len(parts) > 1 else ""
            heads += [
                replace(head, columns=[_add_prefix(column, prefix) for column in head.columns])
                for head in map(NumpyHead.from_member, part.members)
            ]
            columns = assembly.list_member_columns(part.members)
            used_taps = {column.tap for column in columns}
            taps = [tap for tap in part.base.list_tap_names() if tap in used_taps]
            inputs = list(dict.fromkeys(column.base_input for column in columns))
            model = _build_activation_model(part.base, taps, inputs, self.side)
            outputs += model(pixels)
            self.tap_keys += [(*base_input, prefix + tap) for base_input in inputs for tap in taps]
        self.attributor = Attributor(heads)
        self.activations = keras.Model(pixels, outputs)

    @contextlib.contextmanager
    def with_random_weights(self) -> Iterator["TappedDetector"]:
        """Randomise the weights of bases and heads, for a check of heat maps; restore them at the
        end."""
        import keras

        rng = np.random.default_rng(0)
        heads = [member.head for part in self.parts.parts for member in part.members]
        for layer in (layer for head in heads for layer in head.layers):
            if isinstance(layer, keras.layers.Dense):
                kernel, bias = layer.get_weights()
                layer.set_weights([rng.normal(0, 1 / np.sqrt(len(kernel)), kernel.shape), bias])
        self._build_taps(
            [replace(part, base=_load_random_base(part.base)) for part in self.parts.parts]
        )
        yield self
        self.parts.restore_weights()
        self._build_taps(self.parts.parts)

    def compute_features(self, pixels: np.ndarray) -> np.ndarray:
        """Return the input features of all heads, float32 (n, width), of pixels 0..255, (n, side,
        side, 3)."""
        return self.attributor.pool_features(self._run(pixels))

    def compute_attribution(self, pixels: np.ndarray) -> Attribution:
        return self.attributor.compute_attribution(self._run(pixels))

    def _run(self, pixels: np.ndarray) -> TapActivations:
        arrays = accelerators.predict_on_batch(self.activations, pixels.astype(np.float32))
        return {
            key: np.asarray(array, dtype=np.float32)
            for key, array in zip(self.tap_keys, arrays, strict=True)
        }


def _add_prefix(column: Column, prefix: str) -> Column:
    return replace(column, tap=prefix + column.tap)


def _load_random_base(base: LoadedBase) -> LoadedBase:
    return loaded_base.load_base(weights.find_base_weights(base.spec.name, "random"))


def _build_activation_model(
    base: LoadedBase, taps: Sequence[str], base_inputs: Sequence[tuple[int, str]], side: int
) -> "keras.Model":
    """Build the model from pixels to the activations of all taps at each size and signal."""
    import keras

    pixels = keras.Input((side, side, 3), name="pixels")
    tapped = base.build_tapped(taps)
    outputs = [
        output
        for base_input in base_inputs
        for output in tapped(layout.prepare_base_input(pixels, base, *base_input), training=False)
    ]
    return keras.Model(pixels, outputs, name=f"{base.spec.name}_activations")
