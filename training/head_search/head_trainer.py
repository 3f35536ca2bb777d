"""One head trained in NumPy: forward pass, gradients, AdamW and early stopping, as Keras computes them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from training.calibration import sigmoid
from training.features.column_selection import compute_column_indices
from training.features.layout import Column
from training.features.training_features import TrainingFeatures
from training.fitting import smooth_labels

ADAMW_BETA_1, ADAMW_BETA_2, ADAMW_EPSILON = 0.9, 0.999, 1e-7
"""Of AdamW, as in Keras."""


UPDATE_BLOCK_VALUES = 1 << 15
"""Numbers that are updated at a time, so that all passes over them stay in a core's cache."""


@dataclass(frozen=True)
class HeadTrainingPlan:
    """One head and how it is trained.

    Attributes:
        layers, units: hidden layers and their width.
        epochs: runs from `first_epoch` up to this one, or until the validation loss has not fallen for `patience` epochs.
        weights: kernels and biases to begin with; drawn from `seed` if there are none.
    """

    columns: Sequence[Column]
    layers: int
    units: int
    dropout: float
    decay: float
    rate: float
    epochs: int
    patience: int
    first_epoch: int = 0
    weights: Sequence[np.ndarray] | None = None
    seed: tuple[int, ...] = ()


@dataclass
class TrainedHead:
    """A trained head.

    Attributes:
        history: loss, auc, val_loss and val_auc of every epoch.
        weights: kernel and bias of every dense layer, after the epoch with the lowest validation loss.
    """

    history: dict[str, list[float]] = field(
        default_factory=lambda: {"loss": [], "auc": [], "val_loss": [], "val_auc": []}
    )
    weights: list[np.ndarray] = field(default_factory=list)

    @property
    def best(self) -> int:
        """Epochs before the one with the lowest validation loss."""
        return int(np.argmin(self.history["val_loss"]))

    @property
    def diverged(self) -> bool:
        return not np.isfinite(self.history["val_loss"]).all()


class HeadTrainer:
    """A head in training."""

    def __init__(self, faces: TrainingFeatures, plan: HeadTrainingPlan):
        self.plan, self.trained = plan, TrainedHead()
        self._index = compute_column_indices(plan.columns)
        self._everything = len(self._index) == faces.train.shape[2]
        self._draw = np.random.default_rng([*plan.seed, plan.first_epoch])
        widths = [len(self._index), *[plan.units] * plan.layers, max(1, len(faces.generators))]
        self._weights = (
            [np.array(each) for each in plan.weights] if plan.weights else self._drawn(widths)
        )
        self._moments = [(np.zeros_like(each), np.zeros_like(each)) for each in self._weights]
        self._steps, self._waited = 0, 0
        self._said: dict[str, list[tuple[np.ndarray, ...]]] = {"": [], "val_": []}

    def _drawn(self, widths: Sequence[int]) -> list[np.ndarray]:
        """Glorot-uniform kernels, as Keras draws them; of a linear head zeros."""
        found = []
        for before, after in zip(widths, widths[1:], strict=False):
            limit = np.sqrt(6 / (before + after)) if len(widths) > 2 else 0.0
            found += [
                self._draw.uniform(-limit, limit, (before, after)).astype(np.float32),
                np.zeros(after, np.float32),
            ]
        return found

    @property
    def size(self) -> int:
        return sum(each.size for each in self._weights)

    def goes_on(self, epoch: int) -> bool:
        return (
            epoch < self.plan.epochs
            and self._waited < self.plan.patience
            and not self.trained.diverged
        )

    def _picked(self, x: np.ndarray) -> np.ndarray:
        return x if self._everything else x[:, self._index]

    def step(self, x: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> None:
        """One step of AdamW on a batch that went through the input's dropout."""
        inputs, kept = [self._picked(x)], []
        *hidden, (kernel, bias) = zip(self._weights[::2], self._weights[1::2], strict=True)
        for before, offset in hidden:
            values = inputs[-1] @ before + offset
            kept.append((values > 0) * self._mask(values.shape))
            inputs.append(values * kept[-1])
        logits = inputs[-1] @ kernel + bias
        self._said[""].append((logits, targets, weights))
        slope = weights * (sigmoid(logits) - smooth_labels(targets)) / np.float32(targets.size)
        gradients = []
        for place in reversed(range(len(inputs))):
            gradients += [slope.sum(axis=0), inputs[place].T @ slope]
            if place:
                slope = (slope @ self._weights[2 * place].T) * kept[place - 1]
        self._update(gradients[::-1])

    def _mask(self, shape: tuple[int, ...]) -> np.ndarray:
        rate = self.plan.dropout
        return (self._draw.random(shape, dtype=np.float32) >= rate) * np.float32(1 / (1 - rate))

    def _update(self, gradients: Sequence[np.ndarray]) -> None:
        """Keras' AdamW with its moments divided by 1 - BETA, which spares a pass over each of them."""
        self._steps += 1
        rate, root = self.plan.rate, np.sqrt(1 - ADAMW_BETA_2)
        pace = (
            rate
            * np.sqrt(1 - ADAMW_BETA_2**self._steps)
            / (1 - ADAMW_BETA_1**self._steps)
            * (1 - ADAMW_BETA_1)
            / root
        )
        factors = [
            pace,
            1 - rate * self.plan.decay,
            ADAMW_EPSILON / root,
            ADAMW_BETA_1,
            ADAMW_BETA_2,
        ]
        pace, kept, epsilon, beta_1, beta_2 = np.array(factors, dtype=np.float32)
        room = np.empty(UPDATE_BLOCK_VALUES, dtype=np.float32)
        for weight, gradient, moments in zip(self._weights, gradients, self._moments, strict=True):
            flat = [np.reshape(each, -1) for each in (weight, gradient, *moments)]
            for start in range(0, weight.size, UPDATE_BLOCK_VALUES):
                w, g, m, v = (each[start : start + UPDATE_BLOCK_VALUES] for each in flat)
                change = room[: w.size]
                m *= beta_1
                m += g
                v *= beta_2
                v += np.multiply(g, g, out=change)
                np.sqrt(v, out=change)
                change += epsilon
                np.divide(m, change, out=change)
                change *= pace
                w *= kept
                w -= change

    def judge(self, x: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> None:
        self._said["val_"].append(
            (compute_head_logits(self._weights, self._picked(x)), targets, weights)
        )

    def end_epoch(self) -> None:
        """Notes losses and AUCs, and keeps the weights if they are the best so far."""
        history = self.trained.history
        before = min(history["val_loss"], default=np.inf)
        for prefix, said in self._said.items():
            logits, targets, weights = (np.concatenate(each) for each in zip(*said, strict=True))
            loss = np.logaddexp(0, logits) - smooth_labels(targets) * logits
            history[f"{prefix}loss"].append(float(np.mean(weights * loss, dtype=np.float64)))
            history[f"{prefix}auc"].append(
                compute_weighted_auc(logits.ravel(), targets.ravel(), weights.ravel())
            )
            said.clear()
        better = history["val_loss"][-1] < before
        self._waited = 0 if better else self._waited + 1
        if better or not self.trained.weights:
            self.trained.weights = [each.copy() for each in self._weights]


def compute_head_logits(weights: Sequence[np.ndarray], x: np.ndarray) -> np.ndarray:
    """Of every voice, (rows, voices), from standardised features."""
    *hidden, (kernel, bias) = zip(weights[::2], weights[1::2], strict=True)
    for before, offset in hidden:
        x = np.maximum(x @ before + offset, 0)
    return x @ kernel + bias


def compute_weighted_auc(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """Area under the ROC curve; ties count half. NaN without one of the classes.

    scikit-learn's takes fifty times as long for a few hundred images, which would be a quarter of a search.
    """
    order = np.argsort(scores)
    ties = np.flatnonzero(np.diff(scores[order], prepend=np.nan))
    generated, real = (
        np.add.reduceat((weights * mine)[order], ties) for mine in (labels, 1 - labels)
    )
    below = np.cumsum(real) - real / 2
    whole = generated.sum() * real.sum()
    return float((generated * below).sum() / whole) if whole else float("nan")
