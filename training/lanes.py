"""Trains many heads at once on cached features, in NumPy: no graph is traced for any of them, and all share every batch.

The arithmetic is that of `heads.build_head` and `heads.fit_head`: standardised features, dropout, dense layers with ReLUs, a
logit for each voice, smoothed cross-entropy in which both classes weigh the same, AdamW, and early stopping on the validation
loss.
"""

import concurrent.futures
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from threadpoolctl import threadpool_limits

from training.calibration import sigmoid
from training.detector import Column
from training.heads import BLOCK, TrainingFaces, indices, smoothed, weights_of

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7
"""Of AdamW, as in Keras."""

CACHED = 1 << 15
"""Numbers that are updated at a time, so that all passes over them stay in a core's cache."""


@dataclass(frozen=True)
class Plan:
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
class Trained:
    """A trained head.

    Attributes:
        history: loss, auc, val_loss and val_auc of every epoch.
        weights: kernel and bias of every dense layer, after the epoch with the lowest validation loss.
    """

    history: dict[str, list[float]] = field(default_factory=lambda: {"loss": [], "auc": [], "val_loss": [], "val_auc": []})
    weights: list[np.ndarray] = field(default_factory=list)

    @property
    def best(self) -> int:
        """Epochs before the one with the lowest validation loss."""
        return int(np.argmin(self.history["val_loss"]))

    @property
    def diverged(self) -> bool:
        return not np.isfinite(self.history["val_loss"]).all()


def train(faces: TrainingFaces, plans: Sequence[Plan], batch_size: int, seed: int) -> list[Trained]:
    """Trains heads on the same features; what becomes of one does not depend on the others.

    Args:
        seed: of the order of the images and of the dropout.
    """
    faces.mean_and_variance  # noqa: B018 (computed once, before the threads ask for it)
    lanes = [_Lane(faces, plan) for plan in plans]
    parts = _parts(lanes, os.cpu_count() or 1)
    stop = threading.Event()
    with threadpool_limits(1), concurrent.futures.ThreadPoolExecutor(len(parts)) as pool:
        try:
            list(pool.map(lambda part: _run(faces, part, batch_size, seed, stop), parts))
        except BaseException:
            stop.set()
            raise
    return [lane.trained for lane in lanes]


def _parts(lanes: Sequence["_Lane"], count: int) -> list[list["_Lane"]]:
    """One part for each core, of about as many weights; in each all lanes begin with the same epoch."""
    parts: list[list[_Lane]] = []
    for first in sorted({lane.plan.first_epoch for lane in lanes}):
        mine: list[list[_Lane]] = [[] for _ in range(count)]
        for lane in sorted((lane for lane in lanes if lane.plan.first_epoch == first), key=lambda lane: -lane.size):
            min(mine, key=lambda part: sum(each.size for each in part)).append(lane)
        parts += [part for part in mine if part]
    return parts


@np.errstate(over="ignore", invalid="ignore")  # of a head that diverges, which its loss tells
def _run(faces: TrainingFaces, lanes: Sequence["_Lane"], batch_size: int, seed: int, stop: threading.Event) -> None:
    train, validation = (_Rows.of(faces, part) for part in ("train", "validation"))
    for epoch in range(lanes[0].plan.first_epoch, max(lane.plan.epochs for lane in lanes)):
        going = [lane for lane in lanes if lane.goes_on(epoch)]
        if not going:
            return
        rates = {lane.plan.dropout for lane in going}
        order = np.random.default_rng([seed, epoch]).permutation(len(train.targets))
        for step, start in enumerate(range(0, len(order), batch_size)):
            if stop.is_set():
                return
            rows = order[start : start + batch_size]
            x, targets, weights = train.batch(rows)
            shown = _dropped(x, rates, np.random.default_rng([seed, epoch, step]))
            for lane in going:
                lane.step(shown[lane.plan.dropout], targets, weights)
        for start in range(0, len(validation.targets), BLOCK):
            x, targets, weights = validation.batch(np.arange(start, min(start + BLOCK, len(validation.targets))))
            for lane in going:
                lane.judge(x, targets, weights)
        for lane in going:
            lane.end_epoch()


@dataclass(frozen=True)
class _Rows:
    """Images times views: row `view * images + image`.

    Attributes:
        targets, weights: shape (rows, voices).
    """

    values: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, faces: TrainingFaces, split: str) -> "_Rows":
        values, labels, sources = (getattr(faces, f"{split}{what}") for what in ("", "_labels", "_sources"))
        targets = faces.targets(labels, sources).reshape(len(labels), -1)
        weights = weights_of(targets) if faces.generators or split == "train" else np.ones_like(targets)
        mean, variance = faces.mean_and_variance
        tiled = (np.concatenate([each] * values.shape[1]) for each in (np.maximum(targets, 0), weights))
        return cls(values, *tiled, mean, (1 / np.sqrt(variance + 1e-6)).astype(np.float32))

    def batch(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Standardised features, targets and weights."""
        x = np.asarray(self.values[rows % len(self.values), rows // len(self.values)])
        x -= self.mean
        x *= self.scale
        return x, self.targets[rows], self.weights[rows]


def _dropped(x: np.ndarray, rates: set[float], draw: np.random.Generator) -> dict[float, np.ndarray]:
    """The batch at every rate of dropout, from the same noise."""
    if rates == {0.0}:
        return {0.0: x}
    noise = draw.integers(0, 1 << 16, x.shape, dtype=np.uint16)
    found = {}
    for rate in rates:
        found[rate] = x * (noise >= rate * (1 << 16)) if rate else x
        if rate:
            found[rate] *= np.float32(1 / (1 - rate))
    return found


class _Lane:
    """A head in training."""

    def __init__(self, faces: TrainingFaces, plan: Plan):
        self.plan, self.trained = plan, Trained()
        self._index = indices(plan.columns)
        self._everything = len(self._index) == faces.train.shape[2]
        self._draw = np.random.default_rng([*plan.seed, plan.first_epoch])
        widths = [len(self._index), *[plan.units] * plan.layers, max(1, len(faces.generators))]
        self._weights = [np.array(each) for each in plan.weights] if plan.weights else self._drawn(widths)
        self._moments = [(np.zeros_like(each), np.zeros_like(each)) for each in self._weights]
        self._steps, self._waited = 0, 0
        self._said: dict[str, list[tuple[np.ndarray, ...]]] = {"": [], "val_": []}

    def _drawn(self, widths: Sequence[int]) -> list[np.ndarray]:
        """Glorot-uniform kernels, as Keras draws them; of a linear head zeros."""
        found = []
        for before, after in zip(widths, widths[1:], strict=False):
            limit = np.sqrt(6 / (before + after)) if len(widths) > 2 else 0.0
            found += [self._draw.uniform(-limit, limit, (before, after)).astype(np.float32), np.zeros(after, np.float32)]
        return found

    @property
    def size(self) -> int:
        return sum(each.size for each in self._weights)

    def goes_on(self, epoch: int) -> bool:
        return epoch < self.plan.epochs and self._waited < self.plan.patience and not self.trained.diverged

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
        slope = weights * (sigmoid(logits) - smoothed(targets)) / np.float32(targets.size)
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
        rate, root = self.plan.rate, np.sqrt(1 - BETA_2)
        pace = rate * np.sqrt(1 - BETA_2**self._steps) / (1 - BETA_1**self._steps) * (1 - BETA_1) / root
        factors = [pace, 1 - rate * self.plan.decay, EPSILON / root, BETA_1, BETA_2]
        pace, kept, epsilon, beta_1, beta_2 = np.array(factors, dtype=np.float32)
        room = np.empty(CACHED, dtype=np.float32)
        for weight, gradient, moments in zip(self._weights, gradients, self._moments, strict=True):
            flat = [np.reshape(each, -1) for each in (weight, gradient, *moments)]
            for start in range(0, weight.size, CACHED):
                w, g, m, v = (each[start : start + CACHED] for each in flat)
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
        self._said["val_"].append((logits_of(self._weights, self._picked(x)), targets, weights))

    def end_epoch(self) -> None:
        """Notes losses and AUCs, and keeps the weights if they are the best so far."""
        history = self.trained.history
        before = min(history["val_loss"], default=np.inf)
        for prefix, said in self._said.items():
            logits, targets, weights = (np.concatenate(each) for each in zip(*said, strict=True))
            loss = np.logaddexp(0, logits) - smoothed(targets) * logits
            history[f"{prefix}loss"].append(float(np.mean(weights * loss, dtype=np.float64)))
            history[f"{prefix}auc"].append(auc(logits.ravel(), targets.ravel(), weights.ravel()))
            said.clear()
        better = history["val_loss"][-1] < before
        self._waited = 0 if better else self._waited + 1
        if better or not self.trained.weights:
            self.trained.weights = [each.copy() for each in self._weights]


def logits_of(weights: Sequence[np.ndarray], x: np.ndarray) -> np.ndarray:
    """Of every voice, (rows, voices), from standardised features."""
    *hidden, (kernel, bias) = zip(weights[::2], weights[1::2], strict=True)
    for before, offset in hidden:
        x = np.maximum(x @ before + offset, 0)
    return x @ kernel + bias


def auc(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """Area under the ROC curve; ties count half. NaN without one of the classes.

    scikit-learn's takes fifty times as long for a few hundred images, which would be a quarter of a search.
    """
    order = np.argsort(scores)
    ties = np.flatnonzero(np.diff(scores[order], prepend=np.nan))
    generated, real = (np.add.reduceat((weights * mine)[order], ties) for mine in (labels, 1 - labels))
    below = np.cumsum(real) - real / 2
    whole = generated.sum() * real.sum()
    return float((generated * below).sum() / whole) if whole else float("nan")
