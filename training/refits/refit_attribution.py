"""Fit a detector's attribution on scores of its refits: folds tell known generators apart, and
generators left out show what becomes of one that is not known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.attribution.attribution import (
    AttributionCounts,
    GeneratorAttribution,
    compute_class_probabilities,
)
from training.calibration import convert_to_logits, sigmoid
from training.cuts.cut import choose_cut
from training.refits.refit_heads import HeldOutScores, RefitImages, split_into_folds
from training.refits.refit_scores import RefitScores, find_source_rows

NONE_SHARE = 0.5
"""The lowest cut is chosen at which, on average, at least this share gets no name of the images of
generators left out that are called generated."""

MIN_UNKNOWN_GROUPS = 20
"""Independent groups of such images that set the cut; with fewer, no generator is ever named."""

INVERSE_PENALTY = 1.0
"""Inverse of the L2 penalty of the logistic regression, on outputs divided by their standard
deviation. Values from 0.3 to 3 change no figure of a ready detector by more than its interval."""


@dataclass(frozen=True)
class _OutputMap:
    """A logistic regression from the outputs to photographs and generators."""

    kernel: np.ndarray
    bias: np.ndarray

    def compute_probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Return the probabilities of the generators, (images, generators)."""
        return compute_class_probabilities(outputs, self.kernel, self.bias)[:, 1:]


@dataclass(frozen=True)
class _Alarms:
    """Images of one generator that are called generated, by heads that were not trained on them.

    Attributes:
        probabilities: of the nearest generator, shape (images,).
        is_own: whether that is the image's own.
    """

    generator: str
    probabilities: np.ndarray
    is_own: np.ndarray
    groups: np.ndarray

    def count(self, cut: float) -> AttributionCounts:
        """Count the answers at a cut."""
        is_named = self.probabilities >= cut
        return AttributionCounts(
            generator=self.generator,
            images=len(is_named),
            groups=len(set(self.groups.tolist())),
            own=int(np.sum(is_named & self.is_own)),
            none=int(np.sum(~is_named)),
        )


@dataclass(frozen=True)
class _LabelledOutputs:
    """Scores in folds of the images of the known classes.

    Attributes:
        outputs: calibrated logit of every generator, shape (images, generators); NaN where it is
            not known.
        classes: 0 for photographs, 1 for the first generator, -1 for no known class.
    """

    outputs: np.ndarray
    classes: np.ndarray

    def fit(self, rows: np.ndarray, columns: np.ndarray) -> _OutputMap | None:
        """Fit a map on some rows and outputs; None if these rows lack a class."""
        from sklearn.linear_model import LogisticRegression

        outputs, classes = self.outputs[rows][:, columns], self.classes[rows]
        used = np.isfinite(outputs).all(axis=1) & np.isin(classes, [0, *(columns + 1)])
        outputs, classes = outputs[used], classes[used]
        if len(np.unique(classes)) <= len(columns):
            return None
        centre, scale = outputs[classes > 0].mean(axis=0), outputs[classes > 0].std()
        model = LogisticRegression(C=INVERSE_PENALTY, class_weight="balanced", max_iter=5000)
        model.fit((outputs - centre) / scale, classes)
        kernel, bias = model.coef_ / scale, model.intercept_
        if len(columns) == 1:  # scikit-learn leaves out the row of the first of two classes
            kernel, bias = np.vstack([0 * kernel, kernel]), np.append(0, bias)
        return _OutputMap(kernel, bias - kernel @ centre)


def fit_attribution(
    images: RefitImages,
    scores: RefitScores,
    generators: Sequence[str],
    generated_above: float | None,
) -> GeneratorAttribution | None:
    """Return how to name generators; None if too few images show what a name is worth.

    Args:
        generators: that the detector's heads have an output for, as they order them.
        generated_above: the detector's own cut; None if it never answers generated.
    """
    if len(generators) < 2 or generated_above is None:
        return None
    names = images.list_sources(1)
    columns = [names.index(name) for name in generators]
    classes = np.where(images.labels == 0, 0, -1)
    for number, name in enumerate(generators, 1):
        classes[find_source_rows(images, (1, name))] = number
    labelled = _LabelledOutputs(_average_qualities(scores.folds)[:, columns], classes)
    output_map = labelled.fit(np.arange(len(classes)), np.arange(len(generators)))
    left_out = _score_left_out(images, scores, labelled, generators, generated_above)
    known = _score_known(images, scores, labelled, generators, generated_above)
    cut = _choose_none_cut(left_out)
    if output_map is None or cut is None or not known:
        return None
    return GeneratorAttribution(
        generators=tuple(generators),
        kernel=tuple(map(tuple, output_map.kernel.tolist())),
        bias=tuple(output_map.bias.tolist()),
        cut=cut,
        known=tuple(alarms.count(cut) for alarms in known),
        left_out=tuple(_count_left_out(left_out)),
    )


def _average_qualities(scores: HeldOutScores) -> np.ndarray:
    return scores.generator_logits.mean(axis=1)


def _find_alarms(scores: HeldOutScores, generated_above: float) -> np.ndarray:
    """Return whether each image is called generated."""
    return sigmoid(scores.logits.min(axis=1)) >= generated_above


def _score_known(
    images: RefitImages,
    scores: RefitScores,
    labelled: _LabelledOutputs,
    generators: Sequence[str],
    generated_above: float,
) -> list[_Alarms]:
    """Name the generated images of every fold with a map that was fitted on the other folds."""
    columns = np.arange(len(generators))
    probabilities = np.full(labelled.outputs.shape, np.nan)
    for fold in split_into_folds(images):
        others = np.setdiff1d(np.arange(len(images.labels)), fold)
        if output_map := labelled.fit(others, columns):
            probabilities[fold] = output_map.compute_probabilities(labelled.outputs[fold])
    is_alarm = _find_alarms(scores.folds, generated_above)
    is_alarm &= np.isfinite(probabilities).all(axis=1)
    alarms = []
    for number, name in enumerate(generators):
        rows = np.flatnonzero(is_alarm & (labelled.classes == number + 1))
        if len(rows):
            is_own = probabilities[rows].argmax(axis=1) == number
            nearest = probabilities[rows].max(axis=1)
            alarms.append(_Alarms(name, nearest, is_own, images.groups[rows]))
    return alarms


def _score_left_out(
    images: RefitImages,
    scores: RefitScores,
    labelled: _LabelledOutputs,
    generators: Sequence[str],
    generated_above: float,
) -> list[_Alarms]:
    """Name the images of every generator left out with a map of the other generators."""
    names, alarms = images.list_sources(1), []
    for number, name in enumerate(generators):
        of_source = scores.sources.get((1, name))
        columns = np.delete(np.arange(len(generators)), number)
        rows = np.flatnonzero(labelled.classes != number + 1)
        output_map = labelled.fit(rows, columns)
        if of_source is None or output_map is None:
            continue
        others = [names.index(generators[column]) for column in columns]
        is_alarm = _find_alarms(of_source, generated_above)
        nearest = output_map.compute_probabilities(
            _average_qualities(of_source)[is_alarm][:, others]
        ).max(axis=1)
        groups = images.groups[find_source_rows(images, (1, name))][is_alarm]
        alarms.append(_Alarms(name, nearest, np.zeros(len(nearest), bool), groups))
    return alarms


def _choose_none_cut(left_out: Sequence[_Alarms]) -> float | None:
    """Return the lowest cut that keeps to NONE_SHARE; None for too few images or generators.

    Every group of images weighs the same, so most images set it that of generators which are found
    without being known: these are the ones that get an answer.
    """
    if sum(len(alarms.groups) > 0 for alarms in left_out) < 2:
        return None
    groups = np.concatenate([alarms.groups for alarms in left_out])
    if len(np.unique(groups)) < MIN_UNKNOWN_GROUPS:
        return None
    probabilities = np.concatenate([alarms.probabilities for alarms in left_out])
    return choose_cut(convert_to_logits(probabilities), groups, 1 - NONE_SHARE).limit


def _count_left_out(left_out: Sequence[_Alarms]) -> list[AttributionCounts]:
    """Count the answers at the cut that the other generators left out set."""
    counts = []
    for alarms in left_out:
        others = [other for other in left_out if other is not alarms and len(other.groups)]
        if not len(alarms.groups) or not others:
            continue
        groups = np.concatenate([other.groups for other in others])
        logits = convert_to_logits(np.concatenate([other.probabilities for other in others]))
        cut = choose_cut(logits, groups, 1 - NONE_SHARE).limit
        counts.append(alarms.count(1.0 if cut is None else cut))
    return counts
