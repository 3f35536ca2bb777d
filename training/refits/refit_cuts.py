"""Set a detector's cuts on scores of its refits, and describe its answers to sources left out."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from training.cuts.choose_cuts import CutScores, CutTargets, calibrate
from training.cuts.cut import Cut, choose_cut
from training.cuts.left_out import MAX_STORED_IMAGES, LeftOutSource
from training.cuts.operating_point import Calibration
from training.refits.refit_heads import (
    RefitEnsemble,
    RefitImages,
    compute_held_out_logits,
    split_into_folds,
)

MIN_SOURCES_TO_SET_CUT = 3
"""Sources of photographs from which on those left out set the false-alarm cuts."""

MIN_PAIRED_SOURCES = 4
"""Sources of either class from which on one of each is left out at a time, which takes fewer heads;
with less, too little would be left to train on."""

SourceKey = tuple[int, str]
"""Label and name of a source."""


@dataclass(frozen=True)
class RefitCuts:
    """The cuts of a detector, and its refits' scores of sources that they were not trained on."""

    calibration: Calibration
    left_out: tuple[LeftOutSource, ...]


@dataclass(frozen=True)
class RefitScores:
    """Calibrated logits of images by heads that were not trained on them.

    Attributes:
        folds: of every image, by heads without its group, shape (images, qualities); NaN where the
            other folds lack a class.
        sources: of the images of each source, by heads without it, shape (its images, qualities).
            A class of a single source has none; neither has a source without which a class is
            missing.
    """

    folds: np.ndarray
    sources: dict[SourceKey, np.ndarray]


def score_by_refits(images: RefitImages, ensemble: RefitEnsemble) -> RefitScores:
    """Train the heads again without each fold and without each source, and score these."""
    folds = list(split_into_folds(images))
    left_out = list_sources_left_out(images)
    rows = [[_find_source_rows(images, key) for key in keys] for keys in left_out]
    scores = compute_held_out_logits(images, ensemble, [*folds, *map(np.concatenate, rows)])
    fold_logits = np.full(images.judged.shape[:2], np.nan)
    for fold, logits in zip(folds, scores, strict=False):
        fold_logits[fold] = logits
    source_logits = {}
    for keys, parts, logits in zip(left_out, rows, scores[len(folds) :], strict=True):
        ends = np.cumsum([len(part) for part in parts])
        of_sources = zip(keys, np.split(logits, ends[:-1]), strict=True)
        source_logits |= {key: part for key, part in of_sources if not np.isnan(part).any()}
    return RefitScores(fold_logits, dict(sorted(source_logits.items())))


def average_scores(scores: Sequence[RefitScores]) -> RefitScores:
    """Return the mean scores of ensembles that were trained without the same images."""
    return RefitScores(
        np.mean([part.folds for part in scores], axis=0),
        {key: np.mean([part.sources[key] for part in scores], axis=0) for key in scores[0].sources},
    )


def set_refit_cuts(
    images: RefitImages,
    scores: RefitScores,
    targets: CutTargets,
    threshold: float,
    temperature: float,
) -> RefitCuts:
    """Set the cuts on scores of heads that were not trained on the images.

    The miss cuts come from the folds. With three or more sources of photographs, false-alarm cuts
    are raised until sources left out keep to them, too.

    Args:
        threshold, temperature: of the detector.
    """
    known = _select_scores(images, scores.folds, _find_scored_rows(scores))
    calibration = calibrate(known, threshold, targets, "folds", temperature)
    raised = _raise_cuts(calibration.false_alarm_cuts, images, scores.sources)
    if raised:
        calibration = replace(calibration, false_alarm_cuts=raised, origin="sources left out")
    return RefitCuts(calibration, _describe_left_out(images, scores, targets))


def list_sources_left_out(images: RefitImages) -> list[list[SourceKey]]:
    """Return the sources that are left out together: one, or one of each class."""
    real, generated = (
        [(label, source) for source in images.list_sources(label)] for label in (0, 1)
    )
    real, generated = (keys if len(keys) > 1 else [] for keys in (real, generated))
    if min(len(real), len(generated)) < MIN_PAIRED_SOURCES:
        return [[key] for key in (*real, *generated)]
    pairs = itertools.zip_longest(real, generated)
    return [[key for key in pair if key] for pair in pairs]


def _find_scored_rows(scores: RefitScores) -> np.ndarray:
    return np.flatnonzero(~np.isnan(scores.folds).any(axis=1))


def _find_source_rows(images: RefitImages, key: SourceKey) -> np.ndarray:
    label, source = key
    return np.flatnonzero((images.labels == label) & (images.sources == source))


def _select_scores(images: RefitImages, logits: np.ndarray, rows: np.ndarray) -> CutScores:
    return CutScores(logits=logits[rows], labels=images.labels[rows], groups=images.groups[rows])


def _raise_cuts(
    cuts: Sequence[Cut], images: RefitImages, source_logits: Mapping[SourceKey, np.ndarray]
) -> tuple[Cut, ...]:
    """Return false-alarm cuts that photographs of sources left out keep to; none for too few.

    Every source weighs the same. A cut that lies higher already stays.
    """
    real = {key: logits for key, logits in source_logits.items() if key[0] == 0}
    if len(real) < MIN_SOURCES_TO_SET_CUT:
        return ()
    groups = [images.groups[_find_source_rows(images, key)] for key in real]
    n_groups = len(np.unique(np.concatenate(groups)))
    weights = []
    for source_groups in groups:
        _, index, sizes = np.unique(source_groups, return_inverse=True, return_counts=True)
        weights.append(n_groups / len(groups) / len(sizes) / sizes[index])
    lowest = np.concatenate([logits.min(axis=1) for logits in real.values()])
    groups, weights = np.concatenate(groups), np.concatenate(weights)
    raised = []
    for cut in cuts:
        limit = choose_cut(lowest, groups, cut.target, weights).limit
        raised.append(cut if None in (limit, cut.limit) else _raise_limit(cut, limit))
    return tuple(raised)


def _raise_limit(cut: Cut, limit: float) -> Cut:
    return replace(cut, limit=max(cut.limit, limit))


def _describe_left_out(
    images: RefitImages, scores: RefitScores, targets: CutTargets
) -> tuple[LeftOutSource, ...]:
    """Return every source left out, with the cuts that the other sources of its class set."""
    described = []
    for key, logits in scores.sources.items():
        rows = _find_source_rows(images, key)
        others = np.setdiff1d(_find_scored_rows(scores), rows)
        known = _select_scores(images, scores.folds, others)
        if key[0]:
            cuts = known.choose_miss_cuts(targets.list_misses())
        else:
            cuts = known.choose_false_alarm_cuts(targets.list_false_alarms())
            remaining = {other: part for other, part in scores.sources.items() if other != key}
            cuts = _raise_cuts(cuts, images, remaining) or cuts
        _, group_numbers = np.unique(images.groups[rows], return_inverse=True)
        stored = np.linspace(0, len(rows) - 1, min(len(rows), MAX_STORED_IMAGES)).astype(int)
        described.append(
            LeftOutSource(
                source=key[1],
                label=key[0],
                lowest=_round_logits(logits[stored].min(axis=1)),
                highest=_round_logits(logits[stored].max(axis=1)),
                groups=tuple(group_numbers[stored].tolist()),
                limits=tuple(cut.limit for cut in cuts),
            )
        )
    return tuple(described)


def _round_logits(logits: np.ndarray) -> tuple[float, ...]:
    return tuple(round(logit, 3) for logit in logits.tolist())
