"""Joins base and head into one keras.Model: pixels in, probability of *generated* out,
preprocessing inside.

Only built-in layers and operations are used, so `keras.saving.load_model` opens the result without
our code.
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
    """A head of the detector: what it looks at, its model (features to a logit), and the weight of
    its logit."""

    columns: list[Column]
    head: "keras.Model"
    weight: float


def build_detector_model(
    base: "LoadedBase", side: int, members: Sequence[EnsembleMember]
) -> "keras.Model":
    """The detector: pixels (n, side, side, 3), 0..255, to the calibrated probability of
    *generated*, (n, 1)."""
    import keras

    base.model.trainable = False
    pixels = keras.Input((side, side, 3), name="pixels")
    logit = compute_ensemble_logit(
        compute_columns(pixels, base, list_member_columns(members)), members
    )
    return keras.Model(
        pixels, keras.layers.Activation("sigmoid", name="generated")(logit), name="detector"
    )


def list_member_columns(members: Sequence[EnsembleMember]) -> list[Column]:
    """Every column that a member looks at, once."""
    return list(dict.fromkeys(column for member in members for column in member.columns))


def compute_ensemble_logit(
    found: Mapping[Column, "keras.KerasTensor"], members: Sequence[EnsembleMember]
) -> "keras.KerasTensor":
    """The weighted sum of the members' logits, (n, 1); temperatures are part of the weights."""
    import keras

    logits = [
        keras.layers.Rescaling(member.weight)(
            member.head(concatenate_columns(found, member.columns))
        )
        for member in members
    ]
    return logits[0] if len(logits) == 1 else keras.layers.Add()(logits)
