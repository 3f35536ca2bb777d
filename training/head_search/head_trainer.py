"""Train one head in NumPy, as Keras does: gradients, AdamW, dropout and early stopping."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from training.calibration import sigmoid
from training.features.layout import Column
from training.features.training_features import TrainingFeatures
from training.fitting import smooth_labels
from training.head_search.head_batches import HeadBatch, HeadInputs, drop_inputs
from training.head_search.head_metrics import compute_weighted_auc
from training.head_search.head_spec import HeadSpec

ADAMW_BETA_1, ADAMW_BETA_2, ADAMW_EPSILON = 0.9, 0.999, 1e-7
"""Keras' defaults."""

UPDATE_BLOCK_VALUES = 1 << 15
"""Numbers that are updated at a time, so that all passes over them stay in a core's cache."""


@dataclass(frozen=True, kw_only=True)
class HeadTrainingPlan:
    """One head and how to train it.

    Attributes:
        columns: those that the head uses, spec.select_columns(...).
        epochs: trains from `first_epoch` up to this one, or until the validation loss has not
            fallen for `patience` epochs; without validation images, always up to this one.
        initial_weights: kernels and biases to begin with; None draws them from `seed`.
    """

    spec: HeadSpec
    columns: Sequence[Column]
    epochs: int
    patience: int
    first_epoch: int = 0
    initial_weights: Sequence[np.ndarray] | None = None
    seed: tuple[int, ...] = ()


@dataclass
class TrainedHead:
    """A trained head.

    Attributes:
        history: loss, auc, val_loss and val_auc of every epoch.
        weights: kernel and bias of every dense layer, after the epoch with the lowest validation
            loss, or after the last one without validation images.
    """

    history: dict[str, list[float]] = field(
        default_factory=lambda: {"loss": [], "auc": [], "val_loss": [], "val_auc": []}
    )
    weights: list[np.ndarray] = field(default_factory=list)

    @property
    def best_epoch(self) -> int:
        """Index of the epoch with the lowest validation loss in `history`."""
        return int(np.argmin(self.history["val_loss"]))

    def get_metrics(self) -> dict[str, float]:
        """Return the metrics after the best epoch."""
        return {name: curve[self.best_epoch] for name, curve in self.history.items() if curve}

    @property
    def diverged(self) -> bool:
        """Whether a validation loss is not finite."""
        return not np.isfinite(self.history["val_loss"]).all()


class HeadTrainer:
    """A head in training: its weights, its optimizer state and its history so far."""

    def __init__(self, features: TrainingFeatures, plan: HeadTrainingPlan):
        self.plan, self.trained = plan, TrainedHead()
        self._inputs = HeadInputs(features, plan.columns)
        self._generator = np.random.default_rng([*plan.seed, plan.first_epoch])
        hidden = [plan.spec.units] * plan.spec.layers
        widths = [self._inputs.width, *hidden, max(1, len(features.generators))]
        weights = plan.initial_weights or self._draw_weights(widths)
        # One vector each, so that a step of small layers is not many passes over little.
        self._all_weights = np.concatenate([np.ravel(weight) for weight in weights])
        self._all_gradients, self._mean, self._variance = np.zeros(
            (3, self._all_weights.size), "f4"
        )
        self._weights, self._gradients = (
            _split_as(vector, weights) for vector in (self._all_weights, self._all_gradients)
        )
        self._steps, self._epochs_without_gain = 0, 0
        # By prefix of the metric: (logits, targets, weights) of every batch of this epoch.
        self._predictions: dict[str, list[tuple[np.ndarray, ...]]] = {"": [], "val_": []}

    def _draw_weights(self, widths: Sequence[int]) -> list[np.ndarray]:
        """Draw Glorot-uniform kernels as Keras does; a linear head starts from zeros."""
        weights = []
        for n_in, n_out in zip(widths, widths[1:], strict=False):
            limit = np.sqrt(6 / (n_in + n_out)) if len(widths) > 2 else 0.0
            weights += [
                self._generator.uniform(-limit, limit, (n_in, n_out)).astype(np.float32),
                np.zeros(n_out, np.float32),
            ]
        return weights

    @property
    def size(self) -> int:
        """Number of weights."""
        return self._all_weights.size

    def continues(self, epoch: int) -> bool:
        """Return whether this head still trains in this epoch."""
        return (
            epoch < self.plan.epochs
            and self._epochs_without_gain < self.plan.patience
            and not self.trained.diverged
        )

    def train_step(self, batch: HeadBatch, noise: np.ndarray | None) -> None:
        """Take one step of AdamW.

        Args:
            noise: of the input dropout, uint16 (rows, width of all features); unused without it.
        """
        targets, weights = batch.targets, batch.weights
        x = batch.read(self._inputs)
        if rate := self.plan.spec.dropout:
            drop_inputs(x, self._inputs.select(noise, slice(None)), rate)
        inputs, gates = [x], []
        *hidden, (kernel, bias) = zip(self._weights[::2], self._weights[1::2], strict=True)
        for hidden_kernel, hidden_bias in hidden:
            values = inputs[-1] @ hidden_kernel + hidden_bias
            gates.append((values > 0) * self._draw_dropout_mask(values.shape))
            inputs.append(values * gates[-1])
        logits = inputs[-1] @ kernel + bias
        self._predictions[""].append((logits, targets, weights))
        slope = weights * (sigmoid(logits) - smooth_labels(targets)) / np.float32(targets.size)
        for layer in reversed(range(len(inputs))):
            np.matmul(inputs[layer].T, slope, out=self._gradients[2 * layer])
            np.add.reduce(slope, axis=0, out=self._gradients[2 * layer + 1])
            if layer:
                slope = (slope @ self._weights[2 * layer].T) * gates[layer - 1]
        self._update()

    def _draw_dropout_mask(self, shape: tuple[int, ...]) -> np.ndarray:
        rate = self.plan.spec.dropout
        is_kept = self._generator.random(shape, dtype=np.float32) >= rate
        return is_kept * np.float32(1 / (1 - rate))

    def _update(self) -> None:
        """Apply Keras' AdamW.

        The moments are stored divided by 1 - BETA, which saves a pass over each of them.
        """
        self._steps += 1
        rate, root = self.plan.spec.learning_rate, np.sqrt(1 - ADAMW_BETA_2)
        pace = (
            rate
            * np.sqrt(1 - ADAMW_BETA_2**self._steps)
            / (1 - ADAMW_BETA_1**self._steps)
            * (1 - ADAMW_BETA_1)
            / root
        )
        factors = [
            pace,
            1 - rate * self.plan.spec.weight_decay,
            ADAMW_EPSILON / root,
            ADAMW_BETA_1,
            ADAMW_BETA_2,
        ]
        pace, shrink, epsilon, beta_1, beta_2 = np.array(factors, dtype=np.float32)
        vectors = (self._all_weights, self._all_gradients, self._mean, self._variance)
        for start in range(0, self.size, UPDATE_BLOCK_VALUES):
            w, g, m, v = (vector[start : start + UPDATE_BLOCK_VALUES] for vector in vectors)
            m *= beta_1
            m += g
            v *= beta_2
            change = g * g
            v += change
            np.sqrt(v, out=change)
            change += epsilon
            np.divide(m, change, out=change)
            change *= pace
            if shrink != 1:
                w *= shrink
            w -= change

    def evaluate_batch(self, batch: HeadBatch) -> None:
        """Predict a validation batch; end_epoch() computes the metrics."""
        logits = compute_head_logits(self._weights, batch.read(self._inputs))
        self._predictions["val_"].append((logits, batch.targets, batch.weights))

    def end_epoch(self) -> None:
        """Record losses and AUCs, and save the weights if they are the best so far.

        Without validation images, the latest are the best.
        """
        history = self.trained.history
        lowest_loss = min(history["val_loss"], default=np.inf)
        for prefix, batches in self._predictions.items():
            if not batches:  # no validation images
                continue
            logits, targets, weights = (
                np.concatenate(arrays) for arrays in zip(*batches, strict=True)
            )
            loss, auc = compute_loss_and_auc(logits, targets, weights)
            history[f"{prefix}loss"].append(loss)
            history[f"{prefix}auc"].append(auc)
            batches.clear()
        improved = not history["val_loss"] or history["val_loss"][-1] < lowest_loss
        self._epochs_without_gain = 0 if improved else self._epochs_without_gain + 1
        if improved or not self.trained.weights:
            self.trained.weights = [weight.copy() for weight in self._weights]


def _split_as(vector: np.ndarray, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return views of a vector in the shapes of these arrays, one after the other."""
    ends = np.cumsum([array.size for array in arrays])
    parts = np.split(vector, ends[:-1])
    return [part.reshape(array.shape) for part, array in zip(parts, arrays, strict=True)]


def compute_loss_and_auc(
    logits: np.ndarray, targets: np.ndarray, weights: np.ndarray
) -> tuple[float, float]:
    """Return the weighted, smoothed cross-entropy and the weighted AUC.

    Args:
        logits, targets, weights: shape (rows, outputs).
    """
    loss = np.logaddexp(0, logits) - smooth_labels(targets) * logits
    mean = float(np.mean(weights * loss, dtype=np.float64))
    return mean, compute_weighted_auc(logits.ravel(), targets.ravel(), weights.ravel())


def compute_head_logits(weights: Sequence[np.ndarray], x: np.ndarray) -> np.ndarray:
    """Return the logit of every output, (rows, outputs), from standardised features."""
    *hidden, (kernel, bias) = zip(weights[::2], weights[1::2], strict=True)
    for hidden_kernel, hidden_bias in hidden:
        x = np.maximum(x @ hidden_kernel + hidden_bias, 0)
    return x @ kernel + bias
