"""Split a saved detector into its base, its heads, and the columns that they use."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime import console
from training.bases.base_models import BASE_MODELS, build_base
from training.bases.loaded_base import LoadedBase
from training.detectors import card as detector_card
from training.detectors import safe_keras, saved_models
from training.detectors.assembly import EnsembleMember
from training.detectors.card import Card
from training.features import layout as feature_layout

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, kw_only=True)
class DetectorParts:
    """Parts of a saved detector, where fine-tuning starts.

    Every trial begins with `restore_weights`.

    Attributes:
        folder: of the saved detector.
        base: with the weights of the saved detector, cut above the last tap that a head uses.
        members: its heads, with their columns and the weights of their logits.
        saved_weights: of the base and of every head, as they were loaded.
    """

    folder: Path
    card: Card
    base: LoadedBase
    members: list[EnsembleMember]
    saved_weights: list[list[np.ndarray]]

    def restore_weights(self, weights: list[list[np.ndarray]] | None = None) -> None:
        """Set the weights of base and heads, by default to the saved ones."""
        for model, arrays in zip(self._list_models(), weights or self.saved_weights, strict=True):
            model.set_weights(arrays)

    def reseed_dropout(self, seed: int) -> None:
        """Restart the heads' dropout; keras.utils.set_random_seed does not affect built layers."""
        import keras

        for layer in (layer for member in self.members for layer in member.head.layers):
            if isinstance(layer, keras.layers.Dropout) and layer.rate > 0:
                layer.seed_generator.state.assign(keras.random.SeedGenerator(seed).state)

    def copy_weights(self) -> list[list[np.ndarray]]:
        """Return copies of the current weights of base and heads."""
        return [
            [np.copy(weight) for weight in model.get_weights()] for model in self._list_models()
        ]

    def _list_models(self) -> list["keras.Model"]:
        return [self.base.model, *(member.head for member in self.members)]


def load_detector_parts(folder: Path) -> DetectorParts:
    """Open detector.keras after comparing its hash with the card.

    Raises:
        PlainError: a file is missing or altered, or the detector does not consist of a base and
            heads.
    """
    card = detector_card.read_card(folder)
    model = safe_keras.load_keras_model(
        saved_models.verify_model_file(folder, card, saved_models.KERAS_FILE)
    )
    try:
        name = card.base.name
        base = LoadedBase(model.get_layer(name), BASE_MODELS[name])
        layout = feature_layout.list_columns(
            LoadedBase.from_model(build_base(name)), card.base.sizes, card.base.signals
        )
        members = [
            EnsembleMember(
                spec.select_columns(layout),
                model.get_layer(f"head{number}"),
                weight,
            )
            for number, (spec, weight) in enumerate(
                zip(card.search.heads, card.search.weights, strict=True), 1
            )
        ]
    except (KeyError, ValueError, TypeError):
        raise console.PlainError(
            f"{folder} does not consist of a base and heads as its card says. Name another "
            "detector, or train one.",
            console.EXIT_BAD_MODEL,
        ) from None
    disable_dropout(base.model)
    saved_weights = [
        [np.copy(weight) for weight in part.get_weights()]
        for part in (base.model, *(member.head for member in members))
    ]
    return DetectorParts(
        folder=folder, card=card, base=base, members=members, saved_weights=saved_weights
    )


def disable_dropout(base: "keras.Model") -> None:
    """Switch off the dropout inside a base.

    Layers below a boundary must give the same activations for an image every time. EfficientNet
    drops whole blocks at random, and like BatchNormalization it does so inside `fit` however the
    base is called.
    """
    import keras

    for layer in base.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
