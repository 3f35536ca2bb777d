"""Train the heads of a detector again without some images, and score these.

A refit has the configuration, seeds and numbers of epochs of the final heads and never sees a group
that it scores, so its scores had no part in search, early stopping or temperature.
"""

import functools
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from runtime import console
from training.features.layout import Column
from training.features.training_features import (
    SelectedRows,
    SplitFeatures,
    TrainingFeatures,
    iterate_blocks,
)
from training.head_search import batched_training
from training.head_search.head_batches import HeadInputs
from training.head_search.head_trainer import (
    HeadTrainingPlan,
    TrainedHead,
    compute_head_logits,
)

REFIT_FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class RefitImages:
    """Features of the train and validation images on one base.

    Attributes:
        values: of the views that heads are trained on, float32 (images, views, width).
        judged: of the views in which images are judged, float32 (images, qualities, width).
        labels: 1 for generated, shape (images,).
        sources, groups: of every image, shape (images,).
    """

    columns: list[Column]
    values: np.ndarray
    judged: np.ndarray
    labels: np.ndarray
    sources: np.ndarray
    groups: np.ndarray

    def list_sources(self, label: int) -> list[str]:
        """Return the sources of a class, sorted."""
        return sorted(set(self.sources[self.labels == label].tolist()))


@dataclass(frozen=True, kw_only=True)
class RefitEnsemble:
    """How to train an ensemble again.

    Attributes:
        plans: one for each head, with the epochs of the final head.
        temperatures: divide each head's logits; they contain that of the ensemble.
        single_output: whether heads have one output, however many generators there are.
        seed: of the order of the images and of the input dropout.
    """

    plans: Sequence[HeadTrainingPlan]
    temperatures: Sequence[float]
    batch_size: int
    seed: int
    single_output: bool = False

    @property
    def is_logistic(self) -> bool:
        """Whether a head is logistic regression."""
        return any(plan.spec.is_logistic for plan in self.plans)


@dataclass(frozen=True)
class HeldOutScores:
    """Calibrated logits of rows by heads that were not trained on their groups.

    Attributes:
        logits: shape (rows, qualities); NaN if the other images lack a class.
        generator_logits: of the output for each generator of the images, shape (rows, qualities,
            generators); NaN for one that the heads have no output for.
    """

    logits: np.ndarray
    generator_logits: np.ndarray

    def select(self, rows: slice) -> "HeldOutScores":
        """Return the scores of some rows."""
        return HeldOutScores(self.logits[rows], self.generator_logits[rows])


def average_held_out(scores: Sequence[HeldOutScores]) -> HeldOutScores:
    """Return the mean scores of the same rows by several ensembles."""
    return HeldOutScores(
        np.mean([part.logits for part in scores], axis=0),
        np.mean([part.generator_logits for part in scores], axis=0),
    )


def split_into_folds(images: RefitImages) -> Iterator[np.ndarray]:
    """Yield the rows of every fold; none if a class has a single group."""
    from sklearn.model_selection import StratifiedGroupKFold

    n_groups = min(len(set(images.groups[images.labels == label])) for label in (0, 1))
    n_folds = min(REFIT_FOLDS, n_groups)
    if n_folds < 2:
        return
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=0)
    for _, fold in splitter.split(images.labels, images.labels, images.groups):
        yield fold


def score_held_out_rows(
    images: RefitImages, ensemble: RefitEnsemble, held_out: Sequence[np.ndarray]
) -> list[HeldOutScores]:
    """Return for each set of rows their scores by heads trained without their groups."""
    if ensemble.is_logistic:  # its matrix products are large: they use all cores, and the memory
        scores = (_score_held_out(images, ensemble, rows) for rows in held_out)
    else:
        scores = batched_training.run_in_threads(
            [functools.partial(_score_held_out, images, ensemble, rows) for rows in held_out]
        )
    return list(console.track_progress(scores, "heads for the cuts", len(held_out)))


def _score_held_out(
    images: RefitImages,
    ensemble: RefitEnsemble,
    held_out: np.ndarray,
    stop: threading.Event | None = None,
) -> HeldOutScores:
    n_qualities, generators = images.judged.shape[1], images.list_sources(1)
    generator_logits = np.full((len(held_out), n_qualities, len(generators)), np.nan)
    rows = np.flatnonzero(~np.isin(images.groups, images.groups[held_out]))
    if len(set(images.labels[rows].tolist())) < 2:
        return HeldOutScores(np.full((len(held_out), n_qualities), np.nan), generator_logits)
    features = TrainingFeatures(
        images.columns,
        SplitFeatures(
            SelectedRows(images.values, rows), images.labels[rows], images.sources[rows].tolist()
        ),
        SplitFeatures(images.values[:0], images.labels[:0]),
        is_logistic=ensemble.single_output,
    )
    outputs = [
        _compute_outputs(features, plan, head, images.judged, held_out)
        for plan, head in zip(ensemble.plans, _train_heads(features, ensemble, stop), strict=True)
    ]
    if not ensemble.single_output:
        trained = set(images.sources[rows][images.labels[rows] == 1].tolist())
        known = [number for number, name in enumerate(generators) if name in trained]
        generator_logits[:, :, known] = _average_heads(outputs, ensemble)
    logits = [logsumexp(values, axis=2) - np.log(values.shape[2]) for values in outputs]
    return HeldOutScores(_average_heads(logits, ensemble), generator_logits)


def _train_heads(
    features: TrainingFeatures, ensemble: RefitEnsemble, stop: threading.Event | None
) -> list[TrainedHead]:
    training = features, ensemble.plans, ensemble.batch_size, ensemble.seed
    if stop:
        return batched_training.train_networks_in_one_thread(*training, stop)
    return batched_training.train_heads(*training)


def _average_heads(logits: Sequence[np.ndarray], ensemble: RefitEnsemble) -> np.ndarray:
    """Return the mean of every head's logits over its temperature."""
    pairs = zip(logits, ensemble.temperatures, strict=True)
    return np.mean([values / temperature for values, temperature in pairs], axis=0)


def _compute_outputs(
    features: TrainingFeatures,
    plan: HeadTrainingPlan,
    head: TrainedHead,
    judged: np.ndarray,
    rows: np.ndarray,
) -> np.ndarray:
    """Return the head's logits of these rows, shape (rows, qualities, outputs)."""
    inputs = HeadInputs(features, plan.columns)
    blocks = []
    for block in iterate_blocks(SelectedRows(judged, rows)):
        x = inputs.read(block.reshape(-1, block.shape[2]), slice(None))
        outputs = compute_head_logits(head.weights, x).astype(np.float64)
        blocks.append(outputs.reshape(*block.shape[:2], -1))
    return np.concatenate(blocks)
