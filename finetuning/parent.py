"""A saved detector, taken apart: its base, its heads, and what they look at."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data_collection import console
from finetuning.unfreezing import without_dropout
from training import base_models, detector, safe_keras, saved_models
from training.detector import Member
from training.heads import chosen
from training.saved_models import Card

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Parent:
    """What fine-tuning starts from; every trial begins with `restore`.

    Attributes:
        folder: of the saved detector.
        base: with the weights of the saved detector, cut above the last tap that a head looks at.
        members: its heads, with the columns they look at and the weights of their logits.
    """

    folder: Path
    card: Card
    base: "keras.Model"
    members: list[Member]
    weights: list[list[np.ndarray]]

    def restore(self, weights: list[list[np.ndarray]] | None = None) -> None:
        """Gives base and heads these weights, or the saved ones again."""
        for model, mine in zip(self._models(), weights or self.weights, strict=True):
            model.set_weights(mine)

    def reseed(self, seed: int) -> None:
        """Starts the heads' dropout anew; keras.utils.set_random_seed does not reach layers that are built already."""
        import keras

        for layer in (layer for member in self.members for layer in member.head.layers):
            if isinstance(layer, keras.layers.Dropout) and layer.rate > 0:
                layer.seed_generator.state.assign(keras.random.SeedGenerator(seed).state)

    def current(self) -> list[list[np.ndarray]]:
        """Copies of the weights that base and heads have now."""
        return [[np.copy(weight) for weight in model.get_weights()] for model in self._models()]

    def _models(self) -> list["keras.Model"]:
        return [self.base, *(member.head for member in self.members)]


def find(folder: Path, named: Path | None) -> Path:
    """The detector that a person names, or of those on the newest one's data set the one with the lowest validation loss.

    Raises:
        PlainError: there is none.
    """
    if named is not None:
        return saved_models.find(folder, named)
    cards = saved_models.readable_cards(folder)
    newest = max(cards.values(), key=lambda card: card.created)
    rivals = [name for name, card in cards.items() if card.dataset["fingerprint"] == newest.dataset["fingerprint"]]
    return folder / min(rivals, key=lambda name: cards[name].metrics.get("log_loss", math.inf))


def read(folder: Path) -> Parent:
    """Opens detector.keras after comparing its hash with the card.

    Raises:
        PlainError: a file is missing or altered, or the detector is not made of a base and heads.
    """
    card = saved_models.read_card(folder)
    model = safe_keras.load(saved_models.intact(folder, card, saved_models.KERAS_FILE))
    try:
        name, weights, heads = card.base["name"], card.search["weights"], card.search["winner"]
        base = model.get_layer(name)
        shown = card.settings["sizes"], card.settings.get("signals", ("picture",))
        layout = detector.layout(base_models.build(name), name, *shown)
        members = [
            Member(chosen(layout, values), model.get_layer(f"head{number}"), weight)
            for number, (values, weight) in enumerate(zip(heads, weights, strict=True), 1)
        ]
    except (KeyError, ValueError, TypeError):
        raise console.PlainError(
            f"{folder} is not made of a base and heads that are told on its card; name another detector, or train one.",
            console.BAD_MODEL,
        ) from None
    without_dropout(base)
    kept = [[np.copy(weight) for weight in part.get_weights()] for part in (base, *(member.head for member in members))]
    return Parent(folder, card, base, members, kept)
