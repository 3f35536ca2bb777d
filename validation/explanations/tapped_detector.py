"""TappedDetector: a saved detector in Keras, with the activations that its heads use."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from training import accelerators
from training.bases import loaded_base, weights
from training.features import layout
from validation.explanations.attribution import Attribution, Attributor, NumpyHead, TapActivations

if TYPE_CHECKING:
    from training.detectors.detector_parts import DetectorParts


class TappedDetector:
    """Base and heads of one detector.

    Attributes:
        tap_keys: input size, signal and tap of each output of `activations`, in order.
        activations: Keras model from pixels (n, side, side, 3), 0..255, to the tapped activations.
    """

    def __init__(self, parts: "DetectorParts"):
        self.parts = parts
        self.side = parts.card.image_size
        self._build_taps(parts.base)

    def _build_taps(self, base: loaded_base.LoadedBase) -> None:
        import keras

        self.attributor = Attributor([NumpyHead.from_member(head) for head in self.parts.members])
        pixels = keras.Input((self.side, self.side, 3), name="pixels")
        used_taps = {column.tap for column in self.attributor.columns}
        taps = [tap for tap in base.list_tap_names() if tap in used_taps]
        inputs = list(dict.fromkeys(column.base_input for column in self.attributor.columns))
        tapped = base.build_tapped(taps)
        outputs = [
            output
            for size_and_signal in inputs
            for output in tapped(
                layout.prepare_base_input(pixels, base, *size_and_signal), training=False
            )
        ]
        self.tap_keys = [(*size_and_signal, tap) for size_and_signal in inputs for tap in taps]
        self.activations = keras.Model(pixels, outputs)

    @contextlib.contextmanager
    def with_random_weights(self) -> Iterator["TappedDetector"]:
        """Randomise the weights of base and heads, for a check of heat maps; restore them at the
        end."""
        import keras

        rng = np.random.default_rng(0)
        for layer in (layer for member in self.parts.members for layer in member.head.layers):
            if isinstance(layer, keras.layers.Dense):
                kernel, bias = layer.get_weights()
                layer.set_weights([rng.normal(0, 1 / np.sqrt(len(kernel)), kernel.shape), bias])
        name = self.parts.base.spec.name
        self._build_taps(loaded_base.load_base(weights.find_base_weights(name, "random")))
        yield self
        self.parts.restore_weights()
        self._build_taps(self.parts.base)

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
