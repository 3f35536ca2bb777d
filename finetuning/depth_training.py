"""Compile and train the part of a detector above a boundary, in two phases."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras_tuner
import numpy as np

from finetuning.calibrated_loss import CALIBRATED_LOSS_NAME, CalibratedLoss
from training import fitting, tensorboard_logs
from training.detectors.card_fields import BlockChange

if TYPE_CHECKING:
    import keras


DEPTH_PATIENCE_EPOCHS = 3
WARMUP_LEARNING_RATE = 3e-4
VALIDATION_BATCH_IMAGES = 64


@dataclass(frozen=True, kw_only=True)
class DepthTrial:
    """One row of the leaderboard; depth 0 is the unchanged detector.

    Attributes:
        depth: number of unfrozen blocks, from the top.
        values: hyperparameters, as KerasTuner names them.
        loss, auc: on all views of the validation images; the loss is CalibratedLoss.
        epochs: number of epochs up to and including the best one.
        trainable_parameters: number of parameters that were trained.
        changes: largest weight change of every unfrozen block.
    """

    depth: int
    values: dict[str, Any]
    loss: float
    auc: float
    epochs: int = 0
    trainable_parameters: int = 0
    changes: tuple[BlockChange, ...] = ()


def compile_tail(model: "keras.Model", learning_rate: object, values: Mapping[str, Any]) -> None:
    """Compile a tail with the optimiser and the loss of a trial, for what is trainable now."""
    import keras

    model.compile(
        keras.optimizers.AdamW(learning_rate, weight_decay=values["weight_decay"]),
        keras.losses.BinaryCrossentropy(
            from_logits=True, label_smoothing=values["label_smoothing"]
        ),
        metrics=[
            CalibratedLoss(),
            keras.metrics.AUC(name="auc", from_logits=True),
        ],
    )
    fitting.build_optimiser(model)


def make_learning_rate(values: Mapping[str, Any], n_steps: int) -> object:
    """Return the learning rate of a trial, or its schedule over all steps."""
    import keras

    learning_rate = values["learning_rate"]
    if values["schedule"] == "cosine":
        return keras.optimizers.schedules.CosineDecay(learning_rate, n_steps)
    return learning_rate


def warm_up(
    model: "keras.Model", batches: "keras.utils.PyDataset", epochs: int, values: Mapping[str, Any]
) -> None:
    """Train the heads alone; the base must be frozen."""
    import keras

    compile_tail(model, WARMUP_LEARNING_RATE, values)
    callbacks = [keras.callbacks.TerminateOnNaN()]
    model.fit(batches, epochs=epochs, verbose=0, callbacks=callbacks)


def make_callbacks(values: Mapping[str, Any], log_folder: Path | None) -> list[Any]:
    """Return Keras callbacks: stop early with the best weights, and log where there is a folder."""
    import keras

    callbacks: list[keras.callbacks.Callback] = [
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.EarlyStopping(
            f"val_{CALIBRATED_LOSS_NAME}",
            mode="min",
            patience=DEPTH_PATIENCE_EPOCHS,
            restore_best_weights=True,
        ),
    ]
    if log_folder:
        hparams = {name: values[name] for name in ("depth", *sorted(values.keys() - {"depth"}))}
        metrics = (f"val_{CALIBRATED_LOSS_NAME}", "val_auc")
        callbacks.append(tensorboard_logs.make_epoch_callback(log_folder, hparams, metrics))
    return callbacks


def get_validation_losses(history: Mapping[str, list[float]], learning_rate: float) -> list[float]:
    """Return the calibrated validation loss of every epoch.

    Raises:
        FailedTrialError: a loss became NaN.
    """
    losses = history.get(f"val_{CALIBRATED_LOSS_NAME}", [np.nan])
    if not np.isfinite(losses).all() or not np.isfinite(history["loss"]).all():
        raise keras_tuner.errors.FailedTrialError(
            f"The loss became NaN at a learning rate of {learning_rate:.1e}."
        )
    return losses
