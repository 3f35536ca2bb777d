"""Trains many heads at once on cached features, in NumPy: no graph is traced for any of them, and all share every batch.

The arithmetic is that of `heads.build_head` and `heads.fit_head`: standardised features, dropout, dense layers with ReLUs, a
logit for each voice, smoothed cross-entropy in which both classes weigh the same, AdamW, and early stopping on the validation
loss.
"""

import concurrent.futures
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from training.features.training_features import FEATURE_BLOCK_IMAGES, TrainingFeatures
from training.fitting import compute_balanced_weights
from training.head_search.head_trainer import HeadTrainer, HeadTrainingPlan, TrainedHead


def train_heads(
    faces: TrainingFeatures, plans: Sequence[HeadTrainingPlan], batch_size: int, seed: int
) -> list[TrainedHead]:
    """Trains heads on the same features; what becomes of one does not depend on the others.

    Args:
        seed: of the order of the images and of the dropout.
    """
    faces.mean_and_variance  # noqa: B018 (computed once, before the threads ask for it)
    lanes = [HeadTrainer(faces, plan) for plan in plans]
    parts = _group_by_core(lanes, os.cpu_count() or 1)
    stop = threading.Event()
    with threadpool_limits(1), concurrent.futures.ThreadPoolExecutor(len(parts)) as pool:
        try:
            list(pool.map(lambda part: _train_group(faces, part, batch_size, seed, stop), parts))
        except BaseException:
            stop.set()
            raise
    return [lane.trained for lane in lanes]


def _group_by_core(lanes: Sequence["HeadTrainer"], count: int) -> list[list["HeadTrainer"]]:
    """One part for each core, of about as many weights; in each all lanes begin with the same epoch."""
    parts: list[list[HeadTrainer]] = []
    for first in sorted({lane.plan.first_epoch for lane in lanes}):
        mine: list[list[HeadTrainer]] = [[] for _ in range(count)]
        for lane in sorted(
            (lane for lane in lanes if lane.plan.first_epoch == first), key=lambda lane: -lane.size
        ):
            min(mine, key=lambda part: sum(each.size for each in part)).append(lane)
        parts += [part for part in mine if part]
    return parts


@np.errstate(over="ignore", invalid="ignore")  # of a head that diverges, which its loss tells
def _train_group(
    faces: TrainingFeatures,
    lanes: Sequence["HeadTrainer"],
    batch_size: int,
    seed: int,
    stop: threading.Event,
) -> None:
    train, validation = (_SplitRows.of(faces, part) for part in ("train", "validation"))
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
            shown = _apply_dropout(x, rates, np.random.default_rng([seed, epoch, step]))
            for lane in going:
                lane.step(shown[lane.plan.dropout], targets, weights)
        for start in range(0, len(validation.targets), FEATURE_BLOCK_IMAGES):
            x, targets, weights = validation.batch(
                np.arange(start, min(start + FEATURE_BLOCK_IMAGES, len(validation.targets)))
            )
            for lane in going:
                lane.judge(x, targets, weights)
        for lane in going:
            lane.end_epoch()


@dataclass(frozen=True)
class _SplitRows:
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
    def of(cls, faces: TrainingFeatures, split: str) -> "_SplitRows":
        values, labels, sources = (
            getattr(faces, f"{split}{what}") for what in ("", "_labels", "_sources")
        )
        targets = faces.targets(labels, sources).reshape(len(labels), -1)
        weights = (
            compute_balanced_weights(targets)
            if faces.generators or split == "train"
            else np.ones_like(targets)
        )
        mean, variance = faces.mean_and_variance
        tiled = (
            np.concatenate([each] * values.shape[1]) for each in (np.maximum(targets, 0), weights)
        )
        return cls(values, *tiled, mean, (1 / np.sqrt(variance + 1e-6)).astype(np.float32))

    def batch(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Standardised features, targets and weights."""
        x = np.asarray(self.values[rows % len(self.values), rows // len(self.values)])
        x -= self.mean
        x *= self.scale
        return x, self.targets[rows], self.weights[rows]


def _apply_dropout(
    x: np.ndarray, rates: set[float], draw: np.random.Generator
) -> dict[float, np.ndarray]:
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
