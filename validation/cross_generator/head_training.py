"""Train one head on cached features; no test image influences its threshold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from runtime import console
from training import calibration
from training.baselines import linear
from training.cuts.choose_cuts import CutTargets, calibrate_on_validation
from training.cuts.operating_point import Calibration
from training.features.column_selection import compute_column_indices, select_columns
from training.features.layout import POOLING_STATISTICS
from validation.cross_generator import distance
from validation.cross_generator.distance import TrainingDistribution
from validation.cross_generator.plan import Experiment, SourceImages
from validation.cross_generator.searched_head import SearchedEnsemble, search_ensemble
from validation.cross_generator.settings import CrossGeneratorSettings
from validation.cross_generator.task import BaseFeatures, TrainingTask

MIN_SCALING_PHOTOGRAPHS = 10
"""With fewer validation photographs than this, training photographs help to scale an output."""


@dataclass(frozen=True)
class LinearOutputs:
    """Linear scores, one per generator or one for all; the highest dominates.

    Attributes:
        weights, bias: shapes (width, outputs) and (outputs,).
    """

    weights: np.ndarray
    bias: np.ndarray

    def compute_outputs(self, features: np.ndarray) -> np.ndarray:
        """Return the outputs, of features (..., width) in the shape (..., outputs).

        In double precision, because the bias is a difference of large sums."""
        return features.astype(np.float64) @ self.weights + self.bias

    def compute_logits(self, judged: np.ndarray) -> np.ndarray:
        """Return uncalibrated logits, the outputs' log-sum-exp, in the shape (images, views)."""
        return np.logaddexp.reduce(self.compute_outputs(judged), axis=-1)


@dataclass(frozen=True)
class CalibratedHead:
    """A scorer with its threshold and its training distribution.

    Attributes:
        calibration: threshold and abstention band, from images that did not train the scorer.
        training_distribution: where its training images lie in feature space.
    """

    scorer: LinearOutputs | SearchedEnsemble
    calibration: Calibration
    training_distribution: TrainingDistribution

    @property
    def threshold(self) -> float:
        return self.calibration.threshold

    def probabilities(self, judged: np.ndarray) -> np.ndarray:
        """Return the probability of every image at its mean logit, shape (images,), from
        (images, views, width)."""
        return calibration.sigmoid(self.scorer.compute_logits(judged).mean(axis=1))


def fit_calibrated_head(
    experiment: Experiment,
    images: SourceImages,
    features: BaseFeatures,
    settings: CrossGeneratorSettings,
) -> CalibratedHead:
    """Train a head on the experiment's train split; set its threshold on images that did not train
    it."""
    train, validation = (
        images.rows(experiment.training_sources, part) for part in ("train", "validation")
    )
    columns = select_columns(
        features.columns,
        taps=settings.taps,
        statistics=POOLING_STATISTICS,
        sizes=(features.columns[0].size,),
    )
    task = TrainingTask(
        images=images,
        features=features,
        settings=settings,
        train=train,
        validation=validation,
        index=compute_column_indices(columns),
    )
    scorer = HEAD_FITTERS[settings.head](task)
    if settings.folds:
        rows, logits = _compute_cross_fitted_logits(task)
    else:
        rows = validation
        logits = scorer.compute_logits(features.judged[validation])
    result = calibrate_on_validation(
        logits,
        images.label[rows],
        images.group[rows],
        CutTargets(false_alarms=settings.target_fpr, misses=settings.target_fpr),
    )
    return CalibratedHead(
        scorer,
        result,
        distance.fit_training_distribution(
            features.judged.mean(axis=1), task.index, train, validation, settings.target_fpr
        ),
    )


def _compute_cross_fitted_logits(task: TrainingTask) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of train and validation images, and their logits, shape (rows, views).

    Each image is scored by a head that was not trained on its group.

    Raises:
        PlainError: there are too few groups for so many folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    images, rows = task.images, np.concatenate([task.train, task.validation])
    logits = np.empty((len(rows), task.features.judged.shape[1]))
    splitter = StratifiedGroupKFold(task.settings.folds, shuffle=True, random_state=0)
    for _, fold in splitter.split(rows, images.label[rows], images.group[rows]):
        fold_task = task.without(np.unique(images.group[rows[fold]]))
        if len(np.unique(images.label[fold_task.train])) < 2:
            raise console.PlainError(
                f"--folds {task.settings.folds} leaves a head without a class to learn; its images "
                "are of too few groups. Take fewer folds, or 0."
            )
        scorer = HEAD_FITTERS[task.settings.head](fold_task)
        logits[fold] = scorer.compute_logits(task.features.judged[rows[fold]])
    return rows, logits


def _fit_logistic(task: TrainingTask) -> LinearOutputs:
    """Fit logistic regression as the baselines of `python -m training` do: C = 1, equal weights."""
    views = task.views(task.train)
    x = views.reshape(-1, views.shape[2])[:, task.index]
    result = linear.fit_logistic_regression(
        x, np.repeat(task.images.label[task.train], views.shape[1])
    )
    return _stack_outputs([_expand_to_all_features(task, *result)])


def _fit_ridge(task: TrainingTask) -> LinearOutputs:
    return _stack_outputs([_fit_ridge_output(task, task.train)])


def _fit_ridge_per_generator(task: TrainingTask) -> LinearOutputs:
    """Fit one output per generator, against all photographs.

    Each is scaled by the scores of photographs that trained none of them."""
    images, train = task.images, task.train
    real = task.validation[images.label[task.validation] == 0]
    if len(real) < MIN_SCALING_PHOTOGRAPHS:
        real = np.concatenate([real, train[images.label[train] == 0]])
    outputs = []
    for source in np.unique(images.source[train[images.label[train] == 1]]):
        weights, bias = _fit_ridge_output(
            task, train[(images.label[train] == 0) | (images.source[train] == source)]
        )
        scores = (task.features.judged[real].astype(np.float64) @ weights + bias).ravel()
        outputs.append((weights / scores.std(), (bias - scores.mean()) / scores.std()))
    return _stack_outputs(outputs)


def _stack_outputs(outputs: Sequence[tuple[np.ndarray, float]]) -> LinearOutputs:
    return LinearOutputs(
        np.stack([weights for weights, _ in outputs], axis=1),
        np.array([bias for _, bias in outputs]),
    )


def _fit_ridge_output(task: TrainingTask, rows: np.ndarray) -> tuple[np.ndarray, float]:
    """Fit ridge regression of -1 (real) and 1 (generated) on standardised features.

    Samples are weighted by `compute_sample_weights`.

    The penalty grows with the number of features, so that it means the same for any selection.
    """
    from sklearn.linear_model import Ridge

    views = task.views(rows)
    x = views.reshape(-1, views.shape[2])[:, task.index].astype(np.float64)
    weight = np.repeat(compute_sample_weights(task, rows), views.shape[1])
    target = np.repeat(2.0 * task.images.label[rows] - 1, views.shape[1])
    mean = np.average(x, axis=0, weights=weight)
    scale = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weight) + 1e-6)
    model = Ridge(alpha=task.settings.strength * x.shape[1] * views.shape[1])
    model.fit((x - mean) / scale, target, sample_weight=weight)
    return _expand_to_all_features(
        task, model.coef_ / scale, float(model.intercept_ - (model.coef_ * mean / scale).sum())
    )


def _expand_to_all_features(
    task: TrainingTask, weights: np.ndarray, bias: float
) -> tuple[np.ndarray, float]:
    """Return the weights over all of the base's features: 0 for columns not in the task."""
    all_weights = np.zeros(task.features.judged.shape[2])
    all_weights[task.index] = weights
    return all_weights, bias


def compute_sample_weights(task: TrainingTask, rows: np.ndarray) -> np.ndarray:
    """Return sample weights with mean 1: both classes get equal total weight; with `balance`
    "source", so does every source within a class."""
    images = task.images
    key = images.source[rows] if task.settings.balance == "source" else images.label[rows]
    names, index, counts = np.unique(key, return_inverse=True, return_counts=True)
    labels = np.array([images.label[rows][index == number][0] for number in range(len(names))])
    weights = 0.5 / np.array([np.sum(labels == label) for label in labels]) / counts
    return weights[index] * len(rows)


HEAD_FITTERS: dict[str, Callable[[TrainingTask], LinearOutputs | SearchedEnsemble]] = {
    "logistic": _fit_logistic,
    "ridge": _fit_ridge,
    "ridge-per-generator": _fit_ridge_per_generator,
    "search": search_ensemble,
}
