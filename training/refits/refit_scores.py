"""Score images by refits of a detector's heads: in folds, and without each source."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.refits.refit_heads import (
    HeldOutScores,
    RefitEnsemble,
    RefitImages,
    average_held_out,
    score_held_out_rows,
    split_into_folds,
)

MIN_PAIRED_SOURCES = 4
"""Sources of either class from which on one of each is left out at a time, which takes fewer heads;
with less, too little would be left to train on."""

SourceKey = tuple[int, str]
"""Label and name of a source."""


@dataclass(frozen=True)
class RefitScores:
    """Calibrated logits of images by heads that were not trained on them.

    Attributes:
        folds: of every image, by heads without its group; NaN where the other folds lack a class.
        sources: of the images of each source, by heads without it. A class of a single source has
            none; neither has a source without which a class is missing.
    """

    folds: HeldOutScores
    sources: dict[SourceKey, HeldOutScores]


def score_by_refits(images: RefitImages, ensemble: RefitEnsemble) -> RefitScores:
    """Train the heads again without each fold and without each source, and score these."""
    folds = list(split_into_folds(images))
    left_out = list_sources_left_out(images)
    rows = [[find_source_rows(images, key) for key in keys] for keys in left_out]
    scores = score_held_out_rows(images, ensemble, [*folds, *map(np.concatenate, rows)])
    of_sources = {}
    for keys, parts, part_scores in zip(left_out, rows, scores[len(folds) :], strict=True):
        ends = np.cumsum([len(part) for part in parts])
        for key, first, last in zip(keys, [0, *ends], ends, strict=False):
            of_source = part_scores.select(slice(first, last))
            if not np.isnan(of_source.logits).any():
                of_sources[key] = of_source
    return RefitScores(_join_folds(images, folds, scores), dict(sorted(of_sources.items())))


def _join_folds(
    images: RefitImages, folds: Sequence[np.ndarray], scores: Sequence[HeldOutScores]
) -> HeldOutScores:
    shape = images.judged.shape[:2]
    joined = HeldOutScores(
        np.full(shape, np.nan), np.full((*shape, len(images.list_sources(1))), np.nan)
    )
    for fold, part in zip(folds, scores, strict=False):
        joined.logits[fold] = part.logits
        joined.generator_logits[fold] = part.generator_logits
    return joined


def average_scores(scores: Sequence[RefitScores]) -> RefitScores:
    """Return the mean scores of ensembles that were trained without the same images."""
    return RefitScores(
        average_held_out([part.folds for part in scores]),
        {
            key: average_held_out([part.sources[key] for part in scores])
            for key in scores[0].sources
        },
    )


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


def find_source_rows(images: RefitImages, key: SourceKey) -> np.ndarray:
    label, source = key
    return np.flatnonzero((images.labels == label) & (images.sources == source))
