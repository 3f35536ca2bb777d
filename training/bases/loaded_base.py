"""Define LoadedBase: a base model, its row in BASE_MODELS, and its pretrained weights."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from runtime import console
from training.bases import base_models
from training.bases.base_models import BASE_MODELS, PREPROCESSING, BaseSpec
from training.bases.memory_check import check_memory
from training.bases.weight_packages import read_packaged_weights
from training.bases.weights import BaseWeights

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class LoadedBase:
    """A base with its weights loaded.

    Attributes:
        model: without its classifier; it may have been cut at one of its taps.
        weights: None for a base that was taken out of detector.keras, or built without weights.
    """

    model: "keras.Model"
    spec: BaseSpec
    weights: BaseWeights | None = None

    @classmethod
    def from_model(cls, model: "keras.Model") -> "LoadedBase":
        """Wrap a model that carries the name of its base, as `build_base` names it."""
        return cls(model, BASE_MODELS[model.name])

    def find_tap_layers(self) -> dict[str, str]:
        """Return the name of the layer at every tap, by the tap's name, from the pixels up."""
        return self.spec.find_taps(self.model.layers)

    def list_tap_names(self) -> list[str]:
        """Return the names of all taps, from the pixels up."""
        return list(self.find_tap_layers())

    def build_tapped(self, taps: Sequence[str] | None = None) -> "keras.Model":
        """Build the base with one output per tap, from the pixels up; all taps by default.

        Layers that none of these taps needs are left out.
        """
        import keras

        outputs = [
            self.model.get_layer(layer).output
            for tap, layer in self.find_tap_layers().items()
            if taps is None or tap in taps
        ]
        return keras.Model(self.model.input, outputs, name=self.spec.name)

    def preprocess(self, pixels: "keras.KerasTensor") -> "keras.KerasTensor":
        """Convert pixels of 0..255 to the range that the base was trained on."""
        return PREPROCESSING[self.spec.preprocessing](pixels)


def load_base(weights: BaseWeights) -> LoadedBase:
    """Build a base and load these weights.

    Raises:
        PlainError: the file does not fit the base, or the base not the memory.
    """
    check_memory(weights.base)
    return LoadedBase(_load_model(weights), BASE_MODELS[weights.base], weights)


def _load_model(weights: BaseWeights) -> "keras.Model":
    import keras

    if weights.origin == "random":
        keras.utils.set_random_seed(0)
        model = base_models.build_base(weights.base)
        _set_noise_statistics(model)
        return model
    try:
        if weights.origin == "package":
            model = base_models.build_base(weights.base)
            read_packaged_weights(model, weights.path)
            return model
        with warnings.catch_warnings():
            # Keras only warns if the file holds nothing for a layer.
            warnings.simplefilter("error", UserWarning)
            return base_models.build_base(weights.base, str(weights.path))
    except (OSError, ValueError, KeyError, IndexError, UserWarning) as error:
        reason = " ".join(str(error).split())[:200]
        raise console.PlainError(
            f"{weights.path} does not fit {weights.base} ({reason}). Name another file with "
            "--weights, or delete this one if it is damaged.",
            console.EXIT_BAD_MODEL,
        ) from None


def _set_noise_statistics(model: "keras.Model") -> None:
    """Give every BatchNormalization the statistics of noise.

    Without them no signal passes random weights: the activations of MobileNetV2 would fall from
    0.1 after the first layer to 2e-12 after the last one.
    """
    import keras

    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    noise = np.random.default_rng(0).uniform(-1, 1, (8, 64, 64, 3)).astype(np.float32)
    model(noise, training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
