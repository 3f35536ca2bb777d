"""Trains the heads of a matrix on cached features and measures each on the images that its plan allows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training import baselines, calibration
from training.detector import Column
from training.heads import TrainingFaces
from validation import matrix_plan
from validation.intervals import REPLICATES
from validation.judged import Judged
from validation.matrix_plan import Experiment, Images, Source
from validation.metrics import Estimate, estimates


@dataclass(frozen=True)
class Features:
    """What a base sees in the images of a plan.

    Attributes:
        plain: view 0 of every image, float32, shape (images, width).
        views: all views of the training images, shape (training images, views, width), in the order of their rows.
    """

    base: str
    size: int
    columns: list[Column]
    plain: np.ndarray
    views: np.ndarray


@dataclass(frozen=True)
class Head:
    """A linear head and the threshold that its validation photographs gave it."""

    weights: np.ndarray
    bias: float
    threshold: float

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        return calibration.sigmoid(features.astype(np.float64) @ self.weights + self.bias)


@dataclass(frozen=True)
class Cell:
    """What a head finds of one generated source, or of several together.

    Attributes:
        seen: whether the head learnt from it; then only its hold-out was tested.
        left_out: images that were not tested because the head had met their group.
        auc: against `photographs` photographs.
        tpr: share called generated at the head's threshold.
    """

    tested_on: tuple[str, ...]
    seen: bool
    images: int
    groups: int
    left_out: int
    photographs: int
    auc: Estimate
    tpr: Estimate


@dataclass(frozen=True)
class Alarms:
    """How many photographs of one real source a head calls generated; the attributes are those of Cell."""

    source: str
    seen: bool
    images: int
    groups: int
    left_out: int
    fpr: Estimate


@dataclass(frozen=True)
class Outcome:
    """One head: what it learnt from, and what it is worth.

    Attributes:
        trained_on: names of the sources.
        training_images: by label.
        validation_photographs: how many the threshold rests on.
    """

    name: str
    trained_on: tuple[str, ...]
    training_images: dict[str, int]
    validation_photographs: int
    threshold: float
    cells: list[Cell]
    alarms: list[Alarms]


def run(experiment: Experiment, them: Images, features: Features, target_fpr: float, seed: int) -> Outcome:
    """Trains one head and tests it."""
    head = fit(experiment, them, features, target_fpr)
    train, validation = (them.label[them.rows(experiment.learns, part)] for part in ("train", "validation"))
    return Outcome(
        experiment.name,
        tuple(source.name for source in experiment.learns),
        {"real": int(np.sum(train == 0)), "generated": int(np.sum(train == 1))},
        int(np.sum(validation == 0)),
        head.threshold,
        [_cell(sources, experiment, head, them, features, seed) for sources in experiment.tests],
        [_alarms(source, experiment, head, them, features, seed) for source in them.of("real")],
    )


def fit(experiment: Experiment, them: Images, features: Features, target_fpr: float) -> Head:
    """Logistic regression on the train split of what the experiment may learn from, its threshold from the validation split."""
    train, validation = (them.rows(experiment.learns, part) for part in ("train", "validation"))
    views = features.views[np.searchsorted(them.rows(them.sources, "train"), train)]
    faces = TrainingFaces(
        features.columns,
        views.reshape(-1, 1, views.shape[2]),  # every view an image of its own
        features.plain[validation][:, None],
        np.repeat(them.label[train], views.shape[1]),
        them.label[validation],
    )
    fitted = baselines.logistic(experiment.name, features.base, faces, "all", "mean+std", features.size)
    threshold = calibration.calibrate(fitted.probabilities, faces.validation_labels, target_fpr).threshold
    return Head(fitted.weights, fitted.bias, threshold)


def _cell(sources: Sequence[Source], experiment: Experiment, head: Head, them: Images, features: Features, seed: int) -> Cell:
    generated, left_out = _tested(sources, experiment, them)
    real, _ = _tested(experiment.against, experiment, them)
    found = _estimates(np.concatenate([generated, real]), ("ROC AUC", "TPR"), head, them, features, seed)
    seen = all(source in experiment.learns for source in sources)
    names = tuple(source.name for source in sources)
    return Cell(names, seen, len(generated), _groups(them, generated), left_out, len(real), found["ROC AUC"], found["TPR"])


def _alarms(source: Source, experiment: Experiment, head: Head, them: Images, features: Features, seed: int) -> Alarms:
    rows, left_out = _tested([source], experiment, them)
    found = _estimates(rows, ("FPR",), head, them, features, seed)
    return Alarms(source.name, source in experiment.learns, len(rows), _groups(them, rows), left_out, found["FPR"])


def _tested(sources: Sequence[Source], experiment: Experiment, them: Images) -> tuple[np.ndarray, int]:
    each = [matrix_plan.tested(them, source, experiment.learns) for source in sources]
    return np.concatenate([one.rows for one in each]), sum(one.left_out for one in each)


def _estimates(
    rows: np.ndarray, names: Sequence[str], head: Head, them: Images, features: Features, seed: int
) -> dict[str, Estimate]:
    if not len(rows):
        return {name: Estimate(np.nan, np.nan, np.nan) for name in names}
    judged = Judged(head.probabilities(features.plain[rows]), them.label[rows], them.group[rows], head.threshold)
    return estimates(judged, names=names, replicates=REPLICATES, seed=seed)


def _groups(them: Images, rows: np.ndarray) -> int:
    return len(np.unique(them.group[rows]))
