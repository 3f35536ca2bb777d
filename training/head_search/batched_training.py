"""Train many heads at once on cached features, in NumPy: no graph is traced and batches are shared.

The arithmetic is that of heads.build_head and fitting.fit_head: standardised features, dropout,
dense layers with ReLU, one logit per output, smoothed cross-entropy in which both classes weigh the
same, AdamW, and early stopping on the validation loss.
"""

import concurrent.futures
import functools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from training.features.training_features import FEATURE_BLOCK_IMAGES, TrainingFeatures
from training.head_search.head_batches import SplitRows
from training.head_search.head_trainer import HeadTrainer, HeadTrainingPlan, TrainedHead
from training.head_search.logistic_head import fit_logistic_head

Result = TypeVar("Result")


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
    jobs = [
        functools.partial(_train_group, features, group, batch_size, seed)
        for group in _group_by_core(trainers, os.cpu_count() or 1)
    ]
    list(run_in_threads(jobs))
    return [trainer.trained for trainer in trainers]


def train_networks_in_one_thread(
    features: TrainingFeatures,
    plans: Sequence[HeadTrainingPlan],
    batch_size: int,
    seed: int,
    stop: threading.Event,
) -> list[TrainedHead]:
    """Train heads that all begin with the first epoch, as train_heads does, in a job of
    run_in_threads."""
    trainers = [HeadTrainer(features, plan) for plan in plans]
    _train_group(features, trainers, batch_size, seed, stop)
    return [trainer.trained for trainer in trainers]


def run_in_threads(jobs: Sequence[Callable[[threading.Event], Result]]) -> Iterator[Result]:
    """Yield the results of all jobs in order; every core runs one job at a time.

    Where one fails or the user interrupts, the event that all were given is set: they end soon.
    """
    stop = threading.Event()
    n_threads = max(1, min(len(jobs), os.cpu_count() or 1))
    with threadpool_limits(1), concurrent.futures.ThreadPoolExecutor(n_threads) as pool:
        try:
            yield from pool.map(lambda job: job(stop), jobs)
        except BaseException:
            stop.set()
            raise


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
    train = SplitRows.from_split(features, features.train, is_training=True)
    validation = SplitRows.from_split(features, features.validation, is_training=False)
    last_epoch = max(trainer.plan.epochs for trainer in trainers)
    for epoch in range(trainers[0].plan.first_epoch, last_epoch):
        active = [trainer for trainer in trainers if trainer.continues(epoch)]
        if not active:
            return
        in_training = [trainer for trainer in active if not trainer.plan.spec.is_logistic]
        drops_inputs = any(trainer.plan.spec.dropout for trainer in in_training)
        order = np.random.default_rng([seed, epoch]).permutation(len(train.targets))
        for step, start in enumerate(range(0, len(order) if in_training else 0, batch_size)):
            if stop.is_set():
                return
            batch = train.make_batch(order[start : start + batch_size])
            generator = np.random.default_rng([seed, epoch, step])
            noise = batch.draw_noise(generator) if drops_inputs else None
            for trainer in in_training:
                trainer.train_step(batch, noise)
        for start in range(0, len(validation.targets), FEATURE_BLOCK_IMAGES):
            stop_row = min(start + FEATURE_BLOCK_IMAGES, len(validation.targets))
            batch = validation.make_batch(np.arange(start, stop_row))
            for trainer in active:
                trainer.evaluate_batch(batch)
        for trainer in active:
            trainer.end_epoch()
