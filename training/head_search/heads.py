"""Define HeadHyperModel, the search space of heads, and build heads in Keras."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import keras_tuner
import numpy as np

from training import tensorboard_logs
from training.features.column_selection import (
    STATISTIC_SETS,
    TAP_SETS,
    compute_column_indices,
    list_choices,
)
from training.features.layout import Column
from training.features.training_features import TrainingFeatures
from training.fitting import LABEL_SMOOTHING, fit_head
from training.head_search.head_spec import HeadSpec

if TYPE_CHECKING:
    import keras

HEAD_SPACE_VERSION = 6
"""Part of a search's key, so that an old search is never continued with new rules.

Raise it with every change to the search space or to how heads are trained.
"""

L2_PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2)
"""Offered to logistic regression on features of many sources, times the number of features."""

TRIAL_PATIENCE_EPOCHS = 5
"""Epochs without a lower validation loss after which a trial ends."""


class HeadHyperModel(keras_tuner.HyperModel):
    """Heads on the cached features of several bases: one search, one leaderboard.

    Args:
        features: by base.
        batch_size: rows of a training step.
        linear_only: whether heads have no hidden layer.

    Attributes:
        log_folder: TensorBoard run of the next trial; set by the tuner before each trial.
    """

    def __init__(
        self,
        features: Mapping[str, TrainingFeatures],
        batch_size: int,
        *,
        linear_only: bool = False,
    ):
        super().__init__()
        self.features = features
        self.batch_size = batch_size
        self.linear_only = linear_only
        self.log_folder: Path | None = None

    def build(self, hp: keras_tuner.HyperParameters) -> "keras.Model":
        base = hp.Choice("base", list(self.features))
        features = self.features[base]
        if features.is_logistic:
            self._choose_logistic_head(hp)
        else:
            self._choose_network(hp)
        spec = HeadSpec.from_hp(hp.values)
        return build_head(features, spec.select_columns(features.columns), spec)

    def _choose_logistic_head(self, hp: keras_tuner.HyperParameters) -> None:
        """Offer logistic regression on every tap: choices between taps are won by chance."""
        self._choose_per_base(hp, "signals", together=True)
        hp.Fixed("taps", "all")
        self._choose_per_base(hp, "sizes", together=True)
        hp.Choice("statistics", ["+".join(statistics) for statistics in STATISTIC_SETS])
        hp.Fixed("layers", 0)
        hp.Choice("l2_penalty", list(L2_PENALTIES))

    def _choose_network(self, hp: keras_tuner.HyperParameters) -> None:
        self._choose_per_base(hp, "signals")
        hp.Choice("taps", list(TAP_SETS))
        self._choose_per_base(hp, "sizes")
        hp.Choice("statistics", ["+".join(statistics) for statistics in STATISTIC_SETS])
        if self.linear_only:
            hp.Fixed("layers", 0)
        else:
            layers = hp.Int("layers", 0, 2)
            with hp.conditional_scope("layers", [1, 2]):
                if layers:
                    hp.Choice("units", [32, 64, 128])
        hp.Float("dropout", 0, 0.6, step=0.1)
        # Little regularisation often wins on these features, so the range goes down to almost none.
        hp.Float("weight_decay", 1e-6, 1e-1, sampling="log")
        hp.Float("learning_rate", 1e-4, 3e-3, sampling="log")

    def _choose_per_base(
        self, hp: keras_tuner.HyperParameters, name: str, *, together: bool = False
    ) -> None:
        """Offer every base what its columns have; one hyperparameter where all have the same.

        Args:
            together: whether to offer nothing but all that the columns have.
        """
        bases_by_choices: dict[tuple[str, ...], list[str]] = {}
        for base, features in self.features.items():
            values = (getattr(column, name.removesuffix("s")) for column in features.columns)
            choices = list_choices(values)[: 1 if together else None]
            bases_by_choices.setdefault(tuple(choices), []).append(base)
        for choices, bases in bases_by_choices.items():
            if len(bases_by_choices) == 1:
                hp.Choice(name, list(choices))
            else:
                with hp.conditional_scope("base", bases):
                    hp.Choice(name, list(choices))

    def fit(self, hp: keras_tuner.HyperParameters, model: "keras.Model", *args, **kwargs):
        spec = HeadSpec.from_hp(hp.values)
        callbacks = list(kwargs.pop("callbacks", ()))
        if self.log_folder:
            callbacks.append(
                tensorboard_logs.make_epoch_callback(self.log_folder, spec.to_hparams())
            )
        features = self.features[spec.base]
        arrays = features.make_arrays(spec.select_columns(features.columns))
        return fit_head(
            model,
            arrays,
            self.batch_size,
            patience=TRIAL_PATIENCE_EPOCHS,
            callbacks=callbacks,
            **kwargs,
        )


def build_head(
    features: TrainingFeatures, columns: Sequence[Column], spec: HeadSpec
) -> "keras.Model":
    """Build a head with build_uncompiled_head and compile it."""
    import keras

    head = build_uncompiled_head(features, columns, spec)
    auc = [keras.metrics.AUC(name="auc", from_logits=True)]
    head.compile(
        keras.optimizers.AdamW(spec.learning_rate, weight_decay=spec.weight_decay),
        keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=LABEL_SMOOTHING),
        **{"weighted_metrics" if features.generators else "metrics": auc},
    )
    return head


def build_uncompiled_head(
    features: TrainingFeatures, columns: Sequence[Column], spec: HeadSpec, name: str = "head"
) -> "keras.Model":
    """Build a head from the columns' features (n, width) to a logit (n, 1).

    It standardises with the statistics of the train split. With several generators it gives one
    logit for each of them, (n, generators, 1), which combine_generator_outputs joins.
    """
    import keras

    # A frozen BatchNormalization is standardisation that every runtime knows; its epsilon tames
    # dead channels.
    standardise = keras.layers.BatchNormalization(
        center=False, scale=False, epsilon=1e-6, trainable=False, name="standardise"
    )
    index = compute_column_indices(columns)
    n_generators = len(features.generators)
    layers = [keras.Input((len(index),)), standardise, keras.layers.Dropout(spec.dropout)]
    for _ in range(spec.layers):
        layers += [
            keras.layers.Dense(spec.units, activation="relu"),
            keras.layers.Dropout(spec.dropout),
        ]
    # From zero, a linear head starts undecided everywhere and moves only as far as the data asks.
    initializer = "glorot_uniform" if spec.layers else "zeros"
    layers.append(
        keras.layers.Dense(n_generators or 1, kernel_initializer=initializer, name="logit")
    )
    if n_generators:
        layers.append(keras.layers.Reshape((n_generators, 1)))
    head = keras.Sequential(layers, name=name)
    standardise.set_weights([values[index] for values in features.mean_and_variance])
    return head


def set_dense_weights(model: "keras.Model", weights: Sequence[np.ndarray]) -> None:
    """Set kernel and bias of every dense layer, in order."""
    dense_layers = [layer for layer in model.layers if type(layer).__name__ == "Dense"]
    for number, layer in enumerate(dense_layers):
        layer.set_weights(weights[2 * number : 2 * number + 2])


def select_generator_outputs(head: "keras.Model") -> "keras.Model":
    """Return the same head with the logits of all of its outputs, (n, generators)."""
    import keras

    return keras.Model(head.inputs[0], head.get_layer("logit").output, name=f"{head.name}_outputs")


def combine_generator_outputs(head: "keras.Model") -> "keras.Model":
    """Return the same head with one logit, (n, 1).

    Several per-generator logits become the log of their mean exponential, which the largest one
    dominates.
    """
    import keras

    (logits,) = head.outputs
    if len(logits.shape) == 2:
        return head
    n_generators = logits.shape[1]
    combined = keras.ops.logsumexp(logits, axis=1)
    return keras.Model(
        head.inputs[0],
        keras.layers.Rescaling(1.0, offset=-math.log(n_generators))(combined),
        name=head.name,
    )
