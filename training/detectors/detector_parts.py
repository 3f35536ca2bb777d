"""Split a saved detector into its bases, its heads, and the columns that they use."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime import console
from training.bases.base_models import BASE_MODELS, build_base
from training.bases.loaded_base import LoadedBase
from training.detectors import assembly, saved_models
from training.detectors import card as detector_card
from training.detectors.assembly import DetectorPart, EnsembleMember
from training.detectors.card import Card
from training.detectors.card_fields import BaseDescription, SearchDescription
from training.features import layout as feature_layout

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, kw_only=True)
class DetectorParts:
    """Parts of a saved detector, where fine-tuning starts.

    Every trial begins with `restore_weights`.

    Attributes:
        folder: of the saved detector.
        base: with the weights of the saved detector, cut above the last tap that a head uses; the
            first one, if there are several.
        members: the heads on it, with their columns and the weights of their logits.
        saved_weights: of every base and of its heads, as they were loaded.
        more: the other bases with their heads.
    """

    folder: Path
    card: Card
    base: LoadedBase
    members: list[EnsembleMember]
    saved_weights: list[list[np.ndarray]]
    more: Sequence[DetectorPart] = ()

    @property
    def parts(self) -> list[DetectorPart]:
        """Every base with its heads."""
        return [DetectorPart(self.base, self.members), *self.more]

    def restore_weights(self, weights: list[list[np.ndarray]] | None = None) -> None:
        """Set the weights of bases and heads, by default to the saved ones."""
        for model, arrays in zip(
            _list_models(self.parts), weights or self.saved_weights, strict=True
        ):
            model.set_weights(arrays)

    def reseed_dropout(self, seed: int) -> None:
        """Restart the heads' dropout; keras.utils.set_random_seed does not affect built layers."""
        import keras

        for layer in (layer for member in self.members for layer in member.head.layers):
            if isinstance(layer, keras.layers.Dropout) and layer.rate > 0:
                layer.seed_generator.state.assign(keras.random.SeedGenerator(seed).state)

    def copy_weights(self) -> list[list[np.ndarray]]:
        """Return copies of the current weights of bases and heads."""
        return _copy_weights(self.parts)


def _list_models(parts: Sequence[DetectorPart]) -> list["keras.Model"]:
    return [
        model
        for part in parts
        for model in (part.base.model, *(member.head for member in part.members))
    ]


def _copy_weights(parts: Sequence[DetectorPart]) -> list[list[np.ndarray]]:
    return [[np.copy(weight) for weight in model.get_weights()] for model in _list_models(parts)]


def load_detector_parts(folder: Path) -> DetectorParts:
    """Open detector.keras after comparing its hash with the card.

    Raises:
        PlainError: a file is missing or altered, or the detector does not consist of bases and
            heads.
    """
    card = detector_card.read_card(folder)
    model = saved_models.load_verified_keras(folder, card)
    try:
        first, *more = [
            _find_part(
                model.get_layer(assembly.name_part(base.name)) if card.more_bases else model,
                base,
                card.search,
            )
            for base in card.bases
        ]
    except (KeyError, ValueError, TypeError):
        raise console.PlainError(
            f"{folder} does not consist of bases and heads as its card says. Name another "
            "detector, or train one.",
            console.EXIT_BAD_MODEL,
        ) from None
    for part in (first, *more):
        disable_dropout(part.base.model)
    return DetectorParts(
        folder=folder,
        card=card,
        base=first.base,
        members=first.members,
        saved_weights=_copy_weights([first, *more]),
        more=more,
    )


def _find_part(
    model: "keras.Model", description: BaseDescription, search: SearchDescription
) -> DetectorPart:
    """Return a base and its heads out of the model that holds them.

    Raises:
        KeyError, ValueError, TypeError: the model lacks them.
    """
    name = description.name
    layout = feature_layout.list_columns(
        LoadedBase.from_model(build_base(name)), description.sizes, description.signals
    )
    heads = zip(search.heads, search.weights, strict=True)
    on_base = [(spec, weight) for spec, weight in heads if spec.base == name]
    members = [
        EnsembleMember(spec.select_columns(layout), model.get_layer(f"head{number}"), weight)
        for number, (spec, weight) in enumerate(on_base, 1)
    ]
    return DetectorPart(LoadedBase(model.get_layer(name), BASE_MODELS[name]), members)


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
