"""Join base and heads into one keras.Model: pixels in, probability of *generated* out.

Preprocessing is inside. Only built-in layers and operations are used, so
`keras.saving.load_model` opens the model without Telltale's code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.features.layout import Column, compute_columns, concatenate_columns

if TYPE_CHECKING:
    import keras

    from training.bases.loaded_base import LoadedBase


@dataclass(frozen=True)
class EnsembleMember:
    """A head of the detector.

    Attributes:
        columns: of the feature vector, that the head uses.
        head: model from the columns' features to a logit.
        weight: factor of the logit; it contains the temperatures.
    """

    columns: list[Column]
    head: "keras.Model"
    weight: float


def build_detector_model(
    base: "LoadedBase", side: int, members: Sequence[EnsembleMember]
) -> "keras.Model":
    """Build the detector.

    It maps pixels (n, side, side, 3), 0..255, to calibrated probabilities of *generated*, (n, 1).
    """
    import keras

    base.model.trainable = False
    pixels = keras.Input((side, side, 3), name="pixels")
    features = compute_columns(pixels, base, list_member_columns(members))
    logit = compute_ensemble_logit(features, members)
    return keras.Model(
        pixels, keras.layers.Activation("sigmoid", name="generated")(logit), name="detector"
    )


def list_member_columns(members: Sequence[EnsembleMember]) -> list[Column]:
    """Return every column that a member uses, once."""
    return list(dict.fromkeys(column for member in members for column in member.columns))


def compute_ensemble_logit(
    features: Mapping[Column, "keras.KerasTensor"], members: Sequence[EnsembleMember]
) -> "keras.KerasTensor":
    """Return the weighted sum of the members' logits, (n, 1)."""
    import keras

    logits = [
        keras.layers.Rescaling(member.weight)(
            member.head(concatenate_columns(features, member.columns))
        )
        for member in members
    ]
    return logits[0] if len(logits) == 1 else keras.layers.Add()(logits)
