"""Set a detector's cuts on scores of its refits, and describe its answers to sources left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from training.attribution.attribution import GeneratorAttribution
from training.cuts.choose_cuts import CutScores, CutTargets, calibrate
from training.cuts.cut import Cut, choose_cut
from training.cuts.left_out import MAX_STORED_IMAGES, LeftOutSource
from training.cuts.operating_point import Calibration
from training.refits.refit_attribution import fit_attribution
from training.refits.refit_heads import HeldOutScores, RefitImages
from training.refits.refit_scores import RefitScores, SourceKey, find_source_rows

MIN_SOURCES_TO_SET_CUT = 3
"""Sources of photographs from which on those left out set the false-alarm cuts."""


@dataclass(frozen=True)
class RefitCuts:
    """The cuts of a detector, its refits' scores of sources that they were not trained on, and how
    it names generators, if it does."""

    calibration: Calibration
    left_out: tuple[LeftOutSource, ...]
    attribution: GeneratorAttribution | None = None


def set_refit_cuts(
    images: RefitImages,
    scores: RefitScores,
    targets: CutTargets,
    threshold: float,
    temperature: float,
    generators: Sequence[str] = (),
) -> RefitCuts:
    """Set the cuts on scores of heads that were not trained on the images.

    The miss cuts come from the folds. With three or more sources of photographs, false-alarm cuts
    are raised until sources left out keep to them, too.

    Args:
        threshold, temperature: of the detector.
        generators: that its heads have an output for; none if they have a single one.
    """
    known = _select_scores(images, scores.folds.logits, _find_scored_rows(scores))
    calibration = calibrate(known, threshold, targets, "folds", temperature)
    raised = _raise_cuts(calibration.false_alarm_cuts, images, scores.sources)
    if raised:
        calibration = replace(calibration, false_alarm_cuts=raised, origin="sources left out")
    attribution = fit_attribution(images, scores, generators, calibration.point.generated_above)
    return RefitCuts(calibration, _describe_left_out(images, scores, targets), attribution)


def _find_scored_rows(scores: RefitScores) -> np.ndarray:
    return np.flatnonzero(~np.isnan(scores.folds.logits).any(axis=1))


def _select_scores(images: RefitImages, logits: np.ndarray, rows: np.ndarray) -> CutScores:
    return CutScores(logits=logits[rows], labels=images.labels[rows], groups=images.groups[rows])


def _raise_cuts(
    cuts: Sequence[Cut], images: RefitImages, of_sources: Mapping[SourceKey, HeldOutScores]
) -> tuple[Cut, ...]:
    """Return false-alarm cuts that photographs of sources left out keep to; none for too few.

    Every source weighs the same. A cut that lies higher already stays.
    """
    real = {key: scores for key, scores in of_sources.items() if key[0] == 0}
    if len(real) < MIN_SOURCES_TO_SET_CUT:
        return ()
    groups = [images.groups[find_source_rows(images, key)] for key in real]
    n_groups = len(np.unique(np.concatenate(groups)))
    weights = []
    for source_groups in groups:
        _, index, sizes = np.unique(source_groups, return_inverse=True, return_counts=True)
        weights.append(n_groups / len(groups) / len(sizes) / sizes[index])
    lowest = np.concatenate([scores.logits.min(axis=1) for scores in real.values()])
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
    for key, of_source in scores.sources.items():
        rows = find_source_rows(images, key)
        others = np.setdiff1d(_find_scored_rows(scores), rows)
        known = _select_scores(images, scores.folds.logits, others)
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
                lowest=_round_logits(of_source.logits[stored].min(axis=1)),
                highest=_round_logits(of_source.logits[stored].max(axis=1)),
                groups=tuple(group_numbers[stored].tolist()),
                limits=tuple(cut.limit for cut in cuts),
            )
        )
    return tuple(described)


def _round_logits(logits: np.ndarray) -> tuple[float, ...]:
    return tuple(round(logit, 3) for logit in logits.tolist())
