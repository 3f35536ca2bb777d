"""A saved detector opened in Keras: the activations that its heads look at, and what they make of
them."""

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
        keys: input size, signal and tap of every output of `activations`, in their order.
        activations: Keras model from pixels (n, side, side, 3), 0..255, to the tapped activations.
    """

    def __init__(self, parent: "DetectorParts"):
        self.parent = parent
        self.side = parent.card.image_size
        self._look_through(parent.base)

    def _look_through(self, base: loaded_base.LoadedBase) -> None:
        import keras

        self.shares = Attributor([NumpyHead.of(member) for member in self.parent.members])
        pixels = keras.Input((self.side, self.side, 3), name="pixels")
        wanted = {column.tap for column in self.shares.columns}
        taps = [tap for tap in base.list_tap_names() if tap in wanted]
        shown = list(dict.fromkeys(column.base_input for column in self.shares.columns))
        tapped = base.build_tapped(taps)
        outputs = [
            each
            for what in shown
            for each in tapped(layout.prepare_base_input(pixels, base, *what), training=False)
        ]
        self.keys = [(*what, tap) for what in shown for tap in taps]
        self.activations = keras.Model(pixels, outputs)

    @contextlib.contextmanager
    def randomised(self) -> Iterator["TappedDetector"]:
        """The same base and heads with random weights, for the first sanity check; afterwards it is
        itself again."""
        import keras

        draw = np.random.default_rng(0)
        for layer in (layer for member in self.parent.members for layer in member.head.layers):
            if isinstance(layer, keras.layers.Dense):
                kernel, bias = layer.get_weights()
                layer.set_weights([draw.normal(0, 1 / np.sqrt(len(kernel)), kernel.shape), bias])
        name = self.parent.base.spec.name
        self._look_through(loaded_base.load_base(weights.find_base_weights(name, "random")))
        yield self
        self.parent.restore_weights()
        self._look_through(self.parent.base)

    def features(self, pixels: np.ndarray) -> np.ndarray:
        """Everything the heads look at, float32 (n, width); pixels 0..255, (n, side, side, 3)."""
        return self.shares.features(self._run(pixels))

    def look(self, pixels: np.ndarray) -> Attribution:
        return self.shares.look(self._run(pixels))

    def _run(self, pixels: np.ndarray) -> TapActivations:
        arrays = accelerators.predict_on_batch(self.activations, pixels.astype(np.float32))
        return {
            key: np.asarray(array, dtype=np.float32)
            for key, array in zip(self.keys, arrays, strict=True)
        }
