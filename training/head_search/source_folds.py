"""Fit and score heads without some sources: `--heads logistic` ranks its trials so.

The AUC ranks, not the loss: on unknown sources the lowest loss is that of a head that is sure of
nothing. It is of all sources together, which all weigh the same, since one cut serves them all.
"""

from collections.abc import Sequence

import numpy as np

from training.features.column_selection import compute_column_indices
from training.features.layout import Column
from training.features.training_features import (
    SelectedRows,
    SplitFeatures,
    TrainingFeatures,
    iterate_blocks,
)
from training.fitting import compute_source_weights
from training.head_search import logistic_head
from training.head_search.head_trainer import (
    HeadTrainingPlan,
    TrainedHead,
    compute_head_logits,
    compute_loss_and_auc,
)

MIN_RANKED_SOURCES = 4
"""Sources of either class from which on heads are ranked by sources left out."""

SOURCE_FOLDS = 4


def has_many_sources(labels: np.ndarray, sources: Sequence[str]) -> bool:
    """Return whether both classes have enough sources to rank heads by sources left out."""
    names = [set(np.asarray(sources)[labels == label].tolist()) for label in (0, 1)]
    return min(map(len, names)) >= MIN_RANKED_SOURCES


def make_source_folds(features: TrainingFeatures) -> list[TrainingFeatures]:
    """Return features with some sources of each class in the validation split, all others in train.

    Every source of the train and validation images is in the validation split of one fold, with
    all its images; groups that have one of them do not train.
    """
    parts = (features.train, features.validation)
    labels = np.concatenate([part.labels for part in parts])
    sources = np.concatenate([np.asarray(part.sources) for part in parts])
    groups = np.concatenate([np.asarray(part.groups) for part in parts])
    by_class = [sorted(set(sources[labels == label].tolist())) for label in (0, 1)]
    folds = []
    for number in range(SOURCE_FOLDS):
        left_out = np.zeros(len(labels), dtype=bool)
        for label, names in enumerate(by_class):
            left_out |= (labels == label) & np.isin(sources, names[number::SOURCE_FOLDS])
        train, validation = (
            SplitFeatures(SelectedRows(features.values, rows), labels[rows], sources[rows].tolist())
            for rows in (
                np.flatnonzero(~np.isin(groups, groups[left_out])),
                np.flatnonzero(left_out),
            )
        )
        folds.append(TrainingFeatures(features.columns, train, validation, is_logistic=True))
    return folds


def score_on_source_folds(
    features: TrainingFeatures, plans: Sequence[HeadTrainingPlan]
) -> list[TrainedHead]:
    """Fit every logistic head once in every fold, and score all sources together.

    No head has weights: each was fitted without some sources.
    """
    numbers_by_columns: dict[tuple[Column, ...], list[int]] = {}
    for number, plan in enumerate(plans):
        numbers_by_columns.setdefault(tuple(plan.columns), []).append(number)
    folds = make_source_folds(features)
    scored = {}
    for columns, numbers in numbers_by_columns.items():
        penalties = [plans[number].spec.l2_penalty for number in numbers]
        logits = [_compute_left_out_logits(fold, columns, penalties) for fold in folds]
        for number, of_head in zip(numbers, zip(*logits, strict=True), strict=True):
            scored[number] = _score_logits(folds, of_head)
    return [scored[number] for number in range(len(plans))]


def _compute_left_out_logits(
    fold: TrainingFeatures, columns: Sequence[Column], penalties: Sequence[float]
) -> list[np.ndarray]:
    """Return for each penalty the logits of the sources left out, shape (images, views)."""
    heads = logistic_head.fit_logistic_heads(fold, columns, penalties)
    index = compute_column_indices(columns)
    mean, variance = (values[index] for values in fold.mean_and_variance)
    scale = 1 / np.sqrt(variance + 1e-6)
    blocks: list[list[np.ndarray]] = [[] for _ in heads]
    for block in iterate_blocks(fold.validation.values):
        x = (block[:, :, index] - mean) * scale
        for logits, weights in zip(blocks, heads, strict=True):
            logits.append(compute_head_logits(weights, x)[..., 0])
    return [np.concatenate(logits) for logits in blocks]


def _score_logits(folds: Sequence[TrainingFeatures], logits: Sequence[np.ndarray]) -> TrainedHead:
    views = logits[0].shape[1]
    labels = np.concatenate([np.repeat(fold.validation.labels, views) for fold in folds])
    sources = np.concatenate([np.repeat(fold.validation.sources, views) for fold in folds])
    loss, auc = compute_loss_and_auc(
        np.concatenate([of_fold.ravel() for of_fold in logits])[:, None],
        labels[:, None].astype(np.float32),
        compute_source_weights(labels, sources)[:, None],
    )
    return TrainedHead(history={"val_loss": [loss], "val_auc": [auc]})
