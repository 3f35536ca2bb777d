"""Train many heads at once on cached features, in NumPy: no graph is traced and batches are shared.

The arithmetic is that of heads.build_head and fitting.fit_head: standardised features, dropout,
dense layers with ReLU, one logit per output, smoothed cross-entropy in which both classes weigh the
same, AdamW, and early stopping on the validation loss.
"""

import concurrent.futures
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from training.features.training_features import (
    FEATURE_BLOCK_IMAGES,
    SplitFeatures,
    TrainingFeatures,
)
from training.fitting import compute_balanced_weights
from training.head_search.head_trainer import HeadTrainer, HeadTrainingPlan, TrainedHead
from training.head_search.logistic_head import fit_logistic_head


def train_heads(
    features: TrainingFeatures, plans: Sequence[HeadTrainingPlan], batch_size: int, seed: int
) -> list[TrainedHead]:
    """Train several heads on the same features.

    Each result is independent of which heads are trained together.

    Args:
        seed: of the order of the images and of the input dropout.
    """
    features.precompute_statistics()
    plans = [_fit_if_logistic(features, plan) for plan in plans]
    trainers = [HeadTrainer(features, plan) for plan in plans]
    groups = _group_by_core(trainers, os.cpu_count() or 1)
    stop = threading.Event()
    with threadpool_limits(1), concurrent.futures.ThreadPoolExecutor(len(groups)) as pool:
        try:
            list(
                pool.map(
                    lambda group: _train_group(features, group, batch_size, seed, stop), groups
                )
            )
        except BaseException:
            stop.set()
            raise
    return [trainer.trained for trainer in trainers]


def _fit_if_logistic(features: TrainingFeatures, plan: HeadTrainingPlan) -> HeadTrainingPlan:
    """Return the plan of a linear head with its fitted weights; another plan as it is.

    Its training then is one epoch, in which only the validation images are scored.
    """
    if not plan.spec.is_logistic:
        return plan
    weights = fit_logistic_head(features, plan)
    return replace(
        plan, initial_weights=weights, epochs=plan.first_epoch + 1, patience=plan.first_epoch + 1
    )


def _group_by_core(trainers: Sequence[HeadTrainer], n_cores: int) -> list[list[HeadTrainer]]:
    """Return groups of about equally many weights, one per core and first epoch."""
    groups: list[list[HeadTrainer]] = []
    for first_epoch in sorted({trainer.plan.first_epoch for trainer in trainers}):
        of_epoch: list[list[HeadTrainer]] = [[] for _ in range(n_cores)]
        starting = (trainer for trainer in trainers if trainer.plan.first_epoch == first_epoch)
        for trainer in sorted(starting, key=lambda trainer: -trainer.size):
            smallest = min(of_epoch, key=lambda group: sum(member.size for member in group))
            smallest.append(trainer)
        groups += [group for group in of_epoch if group]
    return groups


@np.errstate(over="ignore", invalid="ignore")  # a head that diverges shows it by its loss
def _train_group(
    features: TrainingFeatures,
    trainers: Sequence[HeadTrainer],
    batch_size: int,
    seed: int,
    stop: threading.Event,
) -> None:
    train = _SplitRows.from_split(features, features.train, is_training=True)
    validation = _SplitRows.from_split(features, features.validation, is_training=False)
    last_epoch = max(trainer.plan.epochs for trainer in trainers)
    for epoch in range(trainers[0].plan.first_epoch, last_epoch):
        active = [trainer for trainer in trainers if trainer.continues(epoch)]
        if not active:
            return
        in_training = [trainer for trainer in active if not trainer.plan.spec.is_logistic]
        rates = {trainer.plan.spec.dropout for trainer in in_training}
        order = np.random.default_rng([seed, epoch]).permutation(len(train.targets))
        for step, start in enumerate(range(0, len(order) if in_training else 0, batch_size)):
            if stop.is_set():
                return
            x, targets, weights = train.make_batch(order[start : start + batch_size])
            dropped = _apply_dropout(x, rates, np.random.default_rng([seed, epoch, step]))
            for trainer in in_training:
                trainer.train_step(dropped[trainer.plan.spec.dropout], targets, weights)
        for start in range(0, len(validation.targets), FEATURE_BLOCK_IMAGES):
            stop_row = min(start + FEATURE_BLOCK_IMAGES, len(validation.targets))
            x, targets, weights = validation.make_batch(np.arange(start, stop_row))
            for trainer in active:
                trainer.evaluate_batch(x, targets, weights)
        for trainer in active:
            trainer.end_epoch()


@dataclass(frozen=True, kw_only=True)
class _SplitRows:
    """Images times views: row `view * images + image`.

    Attributes:
        values: (images, views, width), as cached.
        targets, weights: (rows, outputs).
        mean, scale: (width,), of the train split.
    """

    values: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def from_split(
        cls, features: TrainingFeatures, split: SplitFeatures, *, is_training: bool
    ) -> "_SplitRows":
        n_outputs = max(1, len(features.generators))
        targets = features.make_targets(split).reshape(len(split.labels), n_outputs)
        is_weighted = features.generators or is_training
        weights = compute_balanced_weights(targets) if is_weighted else np.ones_like(targets)
        mean, variance = features.mean_and_variance
        views = split.values.shape[1]
        return cls(
            values=split.values,
            targets=np.concatenate([np.maximum(targets, 0)] * views),
            weights=np.concatenate([weights] * views),
            mean=mean,
            scale=(1 / np.sqrt(variance + 1e-6)).astype(np.float32),
        )

    def make_batch(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return standardised features, targets and weights of these rows."""
        x = np.asarray(self.values[rows % len(self.values), rows // len(self.values)])
        x -= self.mean
        x *= self.scale
        return x, self.targets[rows], self.weights[rows]


def _apply_dropout(
    x: np.ndarray, rates: set[float], generator: np.random.Generator
) -> dict[float, np.ndarray]:
    """Return the batch at every dropout rate, from the same noise."""
    if rates == {0.0}:
        return {0.0: x}
    noise = generator.integers(0, 1 << 16, x.shape, dtype=np.uint16)
    dropped = {}
    for rate in rates:
        dropped[rate] = x * (noise >= rate * (1 << 16)) if rate else x
        if rate:
            dropped[rate] *= np.float32(1 / (1 - rate))
    return dropped
