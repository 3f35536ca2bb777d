"""The heads of a matrix: on cached features, and with a threshold that no test image has a part
in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from runtime import console
from training import calibration
from training.baselines import linear
from training.calibration import Calibration
from training.features.column_selection import compute_column_indices, select_columns
from training.features.layout import POOLING_STATISTICS
from validation.cross_generator import distance
from validation.cross_generator.distance import TrainingDistribution
from validation.cross_generator.plan import Experiment, SourceImages
from validation.cross_generator.searched_head import SearchedEnsemble, search_ensemble
from validation.cross_generator.settings import CrossGeneratorSettings
from validation.cross_generator.task import BaseFeatures, TrainingTask

MIN_SCALING_PHOTOGRAPHS = 10
"""Photographs that did not teach a voice; where there are fewer, those that did help out with its
unit."""


@dataclass(frozen=True)
class LinearOutputs:
    """Linear scores, one for each generator or one for all; the loudest decides.

    Attributes:
        weights, bias: shapes (width, voices) and (voices,).
    """

    weights: np.ndarray
    bias: np.ndarray

    def each(self, features: np.ndarray) -> np.ndarray:
        """Shape (images, voices); in double precision, because the bias is a difference of large
        sums."""
        return features.astype(np.float64) @ self.weights + self.bias

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Rises with the log of the sum of all voices' exponentials, which is close to the loudest;
        not calibrated."""
        return calibration.sigmoid(np.logaddexp.reduce(self.each(features), axis=1))


@dataclass(frozen=True)
class CalibratedHead:
    """Voices, what images that did not teach them made of their threshold, and how far from home an
    image may be.

    Attributes:
        calibration: threshold and band of doubt.
        home: the images that it was trained on, as places.
    """

    voices: LinearOutputs | SearchedEnsemble
    calibration: Calibration
    home: TrainingDistribution

    @property
    def threshold(self) -> float:
        return self.calibration.threshold

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        return self.voices.probabilities(features)


def fit_calibrated_head(
    experiment: Experiment,
    them: SourceImages,
    features: BaseFeatures,
    settings: CrossGeneratorSettings,
) -> CalibratedHead:
    """Learns from the train split of what the experiment may see; its threshold is from images that
    did not teach it."""
    train, validation = (them.rows(experiment.learns, part) for part in ("train", "validation"))
    columns = select_columns(
        features.columns,
        taps=settings.taps,
        statistics=POOLING_STATISTICS,
        sizes=(features.columns[0].size,),
    )
    lesson = TrainingTask(
        them,
        features,
        settings,
        train,
        validation,
        compute_column_indices(columns),
    )
    voices = HEAD_FITTERS[settings.head](lesson)
    if settings.folds:
        rows, probabilities = _predict_cross_fitted(lesson)
    else:
        rows, probabilities = validation, voices.probabilities(features.plain[validation])
    found = calibration.calibrate_probabilities(
        probabilities, them.label[rows], settings.target_fpr
    )
    return CalibratedHead(
        voices,
        found,
        distance.fit_training_distribution(
            features.plain, lesson.index, train, validation, settings.target_fpr
        ),
    )


def _predict_cross_fitted(lesson: TrainingTask) -> tuple[np.ndarray, np.ndarray]:
    """Rows of train and validation images, and what heads say of them that have not met their
    groups.

    Raises:
        PlainError: the images are of too few groups for so many folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    them, rows = lesson.them, np.concatenate([lesson.train, lesson.validation])
    found = np.empty(len(rows))
    splitter = StratifiedGroupKFold(lesson.settings.folds, shuffle=True, random_state=0)
    for _, mine in splitter.split(rows, them.label[rows], them.group[rows]):
        part = lesson.without(np.unique(them.group[rows[mine]]))
        if len(np.unique(them.label[part.train])) < 2:
            raise console.PlainError(
                f"--folds {lesson.settings.folds} leaves a head without a class to learn; its images are of too few groups. "
                "Take fewer folds, or 0."
            )
        found[mine] = HEAD_FITTERS[lesson.settings.head](part).probabilities(
            lesson.features.plain[rows[mine]]
        )
    return rows, found


def _fit_logistic(lesson: TrainingTask) -> LinearOutputs:
    """As the baselines of `python -m training`: C = 1, and every image weighs the same."""
    views = lesson.views(lesson.train)
    x = views.reshape(-1, views.shape[2])[:, lesson.index]
    found = linear.fit_logistic_regression(
        x, np.repeat(lesson.them.label[lesson.train], views.shape[1])
    )
    return _stack_outputs([_expand_to_all_features(lesson, *found)])


def _fit_ridge(lesson: TrainingTask) -> LinearOutputs:
    return _stack_outputs([_fit_ridge_output(lesson, lesson.train)])


def _fit_ridge_per_generator(lesson: TrainingTask) -> LinearOutputs:
    """One voice for each generator, against all photographs; in units of what photographs that
    taught none of them get."""
    them, train = lesson.them, lesson.train
    real = lesson.validation[them.label[lesson.validation] == 0]
    if len(real) < MIN_SCALING_PHOTOGRAPHS:
        real = np.concatenate([real, train[them.label[train] == 0]])
    voices = []
    for source in np.unique(them.source[train[them.label[train] == 1]]):
        weights, bias = _fit_ridge_output(
            lesson, train[(them.label[train] == 0) | (them.source[train] == source)]
        )
        scores = lesson.features.plain[real].astype(np.float64) @ weights + bias
        voices.append((weights / scores.std(), (bias - scores.mean()) / scores.std()))
    return _stack_outputs(voices)


def _stack_outputs(voices: Sequence[tuple[np.ndarray, float]]) -> LinearOutputs:
    return LinearOutputs(
        np.stack([weights for weights, _ in voices], axis=1), np.array([bias for _, bias in voices])
    )


def _fit_ridge_output(lesson: TrainingTask, rows: np.ndarray) -> tuple[np.ndarray, float]:
    """Ridge regression of -1 (real) and 1 (generated) on standardised features; every source of a
    class weighs the same.

    The penalty is as many as there are features, so that it means the same whatever is looked at.
    """
    from sklearn.linear_model import Ridge

    views = lesson.views(rows)
    x = views.reshape(-1, views.shape[2])[:, lesson.index].astype(np.float64)
    weight = np.repeat(compute_sample_weights(lesson, rows), views.shape[1])
    target = np.repeat(2.0 * lesson.them.label[rows] - 1, views.shape[1])
    mean = np.average(x, axis=0, weights=weight)
    scale = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weight) + 1e-6)
    model = Ridge(alpha=lesson.settings.strength * x.shape[1] * views.shape[1])
    model.fit((x - mean) / scale, target, sample_weight=weight)
    return _expand_to_all_features(
        lesson, model.coef_ / scale, float(model.intercept_ - (model.coef_ * mean / scale).sum())
    )


def _expand_to_all_features(
    lesson: TrainingTask, weights: np.ndarray, bias: float
) -> tuple[np.ndarray, float]:
    """The same over all of the base's features: 0 where the lesson does not look."""
    whole = np.zeros(lesson.features.plain.shape[1])
    whole[lesson.index] = weights
    return whole, bias


def compute_sample_weights(lesson: TrainingTask, rows: np.ndarray) -> np.ndarray:
    """Of images, 1 on average: both classes weigh the same; with `balance` "source" also every
    source of a class."""
    them = lesson.them
    part = them.source[rows] if lesson.settings.balance == "source" else them.label[rows]
    names, place, counts = np.unique(part, return_inverse=True, return_counts=True)
    label = np.array([them.label[rows][place == number][0] for number in range(len(names))])
    share = 0.5 / np.array([np.sum(label == each) for each in label]) / counts
    return share[place] * len(rows)


HEAD_FITTERS: dict[str, Callable[[TrainingTask], LinearOutputs | SearchedEnsemble]] = {
    "logistic": _fit_logistic,
    "ridge": _fit_ridge,
    "ridge-per-generator": _fit_ridge_per_generator,
    "search": search_ensemble,
}
