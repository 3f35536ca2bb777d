"""HeadHyperModel: every head the search may try, and what it may look at, over cached features."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import keras_tuner

from training import tensorboard_logs
from training.features.column_selection import (
    STATISTIC_SETS,
    TAP_SETS,
    compute_column_indices,
    list_signal_choices,
    list_size_choices,
    select_columns,
)
from training.features.layout import Column
from training.features.training_features import TrainingFeatures
from training.fitting import LABEL_SMOOTHING, fit_head

if TYPE_CHECKING:
    import keras

HEAD_SPACE_VERSION = 5
"""Part of a search's key: raise it with every change to this file, so that an old search is never carried on."""


HEAD_HYPERPARAMETERS = (
    *("base", "signals", "taps", "sizes", "statistics"),
    *("layers", "units", "dropout", "weight_decay", "learning_rate"),
)


class HeadHyperModel(keras_tuner.HyperModel):
    """Heads on the cached features of several bases: one search, one leaderboard.

    Args:
        faces: features and labels, by base.
        batch_size: rows of a training step.

    Attributes:
        log_folder: the run that the next trial is logged to; set by the search, trial by trial.
    """

    def __init__(self, faces: Mapping[str, TrainingFeatures], batch_size: int):
        super().__init__()
        self.faces = faces
        self.batch_size = batch_size
        self.log_folder: Path | None = None

    def build(self, hp: keras_tuner.HyperParameters) -> "keras.Model":
        base = hp.Choice("base", list(self.faces))
        hp.Choice("signals", list(list_signal_choices(self.faces[base].columns)))
        hp.Choice("taps", list(TAP_SETS))
        hp.Choice("sizes", list(list_size_choices(self.faces[base].columns)))
        hp.Choice("statistics", list(STATISTIC_SETS))
        layers = hp.Int("layers", 0, 2)
        with hp.conditional_scope("layers", [1, 2]):
            units = hp.Choice("units", [32, 64, 128]) if layers else 0
        dropout = hp.Float("dropout", 0, 0.6, step=0.1)
        # Little regularisation is a strong answer on these features, so the range goes down to almost none.
        decay = hp.Float("weight_decay", 1e-6, 1e-1, sampling="log")
        rate = hp.Float("learning_rate", 1e-4, 3e-3, sampling="log")
        faces = self.faces[base]
        return build_head(
            faces, select_columns(faces.columns, hp.values), layers, units, dropout, decay, rate
        )

    def fit(self, hp: keras_tuner.HyperParameters, model: "keras.Model", *args, **kwargs):
        shown = {name: hp.values.get(name, 0) for name in HEAD_HYPERPARAMETERS}
        logged = (
            [tensorboard_logs.make_epoch_callback(self.log_folder, shown)]
            if self.log_folder
            else []
        )
        callbacks = [*kwargs.pop("callbacks", ()), *logged]
        faces = self.faces[hp.get("base")]
        arrays = faces.arrays(select_columns(faces.columns, hp.values))
        return fit_head(model, arrays, self.batch_size, patience=5, callbacks=callbacks, **kwargs)


def build_head(
    faces: TrainingFeatures,
    columns: Sequence[Column],
    layers: int,
    units: int,
    dropout: float,
    decay: float,
    rate: float,
) -> "keras.Model":
    """A head as `untrained_head` makes it, compiled."""
    import keras

    head = build_uncompiled_head(faces, columns, layers, units, dropout)
    auc = [keras.metrics.AUC(name="auc", from_logits=True)]
    head.compile(
        keras.optimizers.AdamW(rate, weight_decay=decay),
        keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=LABEL_SMOOTHING),
        **{"weighted_metrics" if faces.generators else "metrics": auc},
    )
    return head


def build_uncompiled_head(
    faces: TrainingFeatures,
    columns: Sequence[Column],
    layers: int,
    units: int,
    dropout: float,
    name: str = "head",
) -> "keras.Model":
    """From the columns' features (n, width) to a logit (n, 1); it standardises as the training images ask.

    With several generators a logit for each of them, (n, generators, 1), which `one_logit` joins.
    """
    import keras

    # A frozen BatchNormalization is standardisation that every runtime knows; its epsilon tames dead channels.
    standardise = keras.layers.BatchNormalization(
        center=False, scale=False, epsilon=1e-6, trainable=False, name="standardise"
    )
    index, voices = compute_column_indices(columns), len(faces.generators)
    steps = [keras.Input((len(index),)), standardise, keras.layers.Dropout(dropout)]
    for _ in range(layers):
        steps += [keras.layers.Dense(units, activation="relu"), keras.layers.Dropout(dropout)]
    # From zero, a linear head starts undecided everywhere and moves only as far as the data asks.
    steps.append(
        keras.layers.Dense(
            voices or 1, kernel_initializer="glorot_uniform" if layers else "zeros", name="logit"
        )
    )
    if voices:
        steps.append(keras.layers.Reshape((voices, 1)))
    head = keras.Sequential(steps, name=name)
    standardise.set_weights([values[index] for values in faces.mean_and_variance])
    return head


def combine_generator_outputs(head: "keras.Model") -> "keras.Model":
    """The same head with one logit (n, 1): of several voices the log of their mean exponential, which the surest rules."""
    import keras

    (logits,) = head.outputs
    if len(logits.shape) == 2:
        return head
    voices = logits.shape[1]
    together = keras.ops.logsumexp(logits, axis=1)
    return keras.Model(
        head.inputs[0],
        keras.layers.Rescaling(1.0, offset=-math.log(voices))(together),
        name=head.name,
    )


TRIAL_PATIENCE_EPOCHS = 5
"""Epochs without a lower validation loss after which a trial ends."""
