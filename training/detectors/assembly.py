"""Join bases and heads into one keras.Model: pixels in, probability of *generated* out.

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


@dataclass(frozen=True)
class DetectorPart:
    """A base with its heads."""

    base: "LoadedBase"
    members: Sequence[EnsembleMember]


def build_detector_model(
    base: "LoadedBase", side: int, members: Sequence[EnsembleMember]
) -> "keras.Model":
    """Build a detector on a single base, as build_joint_model does."""
    return build_joint_model([DetectorPart(base, members)], side)


def build_joint_model(parts: Sequence[DetectorPart], side: int) -> "keras.Model":
    """Build the detector.

    It maps pixels (n, side, side, 3), 0..255, to calibrated probabilities of *generated*, (n, 1).
    With several bases each part is a model inside, whose layers have names of their own.
    """
    import keras

    pixels = keras.Input((side, side, 3), name="pixels")
    if len(parts) == 1:
        logit = _compute_part_logit(pixels, parts[0])
    else:
        logit = keras.layers.Add()([_build_part_model(part, side)(pixels) for part in parts])
    return keras.Model(
        pixels, keras.layers.Activation("sigmoid", name="generated")(logit), name="detector"
    )


def name_part(base: str) -> str:
    """Return the name of the model inside a detector on several bases that holds this one."""
    return f"{base}_part"


def _build_part_model(part: DetectorPart, side: int) -> "keras.Model":
    """Build the model from pixels to the part's share of the detector's logit."""
    import keras

    pixels = keras.Input((side, side, 3), name="pixels")
    logit = _compute_part_logit(pixels, part)
    return keras.Model(pixels, logit, name=name_part(part.base.spec.name))


def _compute_part_logit(pixels: "keras.KerasTensor", part: DetectorPart) -> "keras.KerasTensor":
    part.base.model.trainable = False
    features = compute_columns(pixels, part.base, list_member_columns(part.members))
    return compute_ensemble_logit(features, part.members)


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
