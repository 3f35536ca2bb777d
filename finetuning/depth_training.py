"""Compile and train the part of a detector above a boundary, in two phases, and the result as a row
of the leaderboard."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finetuning.calibrated_loss import CalibratedLoss
from training.detectors.card import BlockChange

if TYPE_CHECKING:
    import keras


DEPTH_PATIENCE_EPOCHS = 3


WARMUP_LEARNING_RATE = 3e-4


@dataclass(frozen=True)
class DepthTrial:
    """One row of the leaderboard; depth 0 is the detector as it was.

    Attributes:
        depth: blocks opened, from the top.
        values: hyperparameters.
        loss, auc: on the validation images, all views; the loss is CalibratedLoss.
        epochs: up to the best one.
        trainable: numbers that were trained.
        moved: by how much, block by block.
    """

    depth: int
    values: dict[str, Any]
    loss: float
    auc: float
    epochs: int = 0
    trainable: int = 0
    moved: tuple[BlockChange, ...] = ()


def compile_tail(model: "keras.Model", rate: object, values: Mapping[str, Any]) -> None:
    import keras

    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=values["weight_decay"]),
        keras.losses.BinaryCrossentropy(
            from_logits=True, label_smoothing=values["label_smoothing"]
        ),
        metrics=[
            CalibratedLoss(),
            keras.metrics.AUC(name="auc", from_logits=True),
        ],
    )


def make_learning_rate(values: Mapping[str, Any], steps: int) -> object:
    import keras

    rate = values["learning_rate"]
    return (
        keras.optimizers.schedules.CosineDecay(rate, steps)
        if values["schedule"] == "cosine"
        else rate
    )
