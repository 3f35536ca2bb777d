"""Measure what passing on does to a detector's metrics and to its answers."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from data_collection.dataset.manifest import FaceRecord
from validation.metrics.estimates import UNKNOWN_ESTIMATE, Estimate
from validation.metrics.scored_images import ScoredImages
from validation.predictions import Scorer
from validation.robustness.robustness import DistortionResult, compare_with_undistorted
from validation.robustness.summary import (
    ROBUSTNESS_REPLICATES,
    open_distortion_scorer,
    select_sample,
    select_scored_sample,
)
from validation.sharing.answer_changes import NO_FACE, AnswerChanges, count_answer_changes
from validation.sharing.chains import SHARING_CHAINS, Basis, SharingChain
from validation.sharing.scores import SharedScores, score_shared

NO_IMAGE = replace(UNKNOWN_ESTIMATE, reason="no image shows exactly one face any more")

_ESTIMATES = [field.name for field in fields(DistortionResult) if field.type is Estimate]


@dataclass(frozen=True, kw_only=True)
class SharingResult:
    """The effect of one chain.

    Attributes:
        name: of the chain.
        basis: where its sizes and qualities are from.
        shrunk, enlarged, lost_profile: numbers of images that it shrank, enlarged, or whose colours
            changed with a dropped profile.
        metrics: of the images that still show one face, if the detector needs one.
        changes: in the answers to all images.
    """

    name: str
    basis: Basis
    shrunk: int
    enlarged: int
    lost_profile: int
    metrics: DistortionResult
    changes: AnswerChanges


@dataclass(frozen=True, kw_only=True)
class SharingSummary:
    """The effects of all chains.

    Attributes:
        images: number of images that were passed on.
        unshared: metrics of the same images as they are.
        chains: one result for each chain.
    """

    images: int
    unshared: DistortionResult
    chains: list[SharingResult]

    @property
    def most_changed(self) -> SharingResult:
        """The chain that changes the most answers."""
        return max(self.chains, key=lambda chain: chain.changes.any.value)


def measure_sharing(
    folder: Path,
    records: Sequence[FaceRecord],
    scored: ScoredImages,
    scorer: Scorer,
    max_images: int,
) -> SharingSummary:
    """Pass on the images that are distorted, too (`robustness.summary.measure_robustness`)."""
    sample = select_sample(records, scorer, max_images)
    scores = score_shared(folder, sample, open_distortion_scorer(scorer))
    return summarise_sharing(scores, select_scored_sample(records, scored, sample))


def summarise_sharing(
    scores: SharedScores,
    scored: ScoredImages,
    chains: Sequence[SharingChain] = SHARING_CHAINS,
    replicates: int = ROBUSTNESS_REPLICATES,
) -> SharingSummary:
    """Compute the results of all chains.

    Args:
        scored: labels, groups and cuts of the same images, in the same order.
    """
    unshared = scored.with_scores(scores.unshared)
    return SharingSummary(
        images=len(scored.labels),
        unshared=compare_with_undistorted(
            unshared, unshared, family="as they are", replicates=replicates
        ),
        chains=[_compute_result(chain, scores, unshared, replicates) for chain in chains],
    )


def _compute_result(
    chain: SharingChain, scores: SharedScores, unshared: ScoredImages, replicates: int
) -> SharingResult:
    probabilities = scores.probabilities[chain.name]
    has_face = np.isfinite(probabilities).all(axis=1)
    answers = np.full(len(has_face), NO_FACE, dtype=object)
    metrics = DistortionResult(family=chain.name, value="", **dict.fromkeys(_ESTIMATES, NO_IMAGE))
    if has_face.any():
        kept = unshared.select(has_face)
        shared = kept.with_scores(probabilities[has_face])
        answers[has_face] = shared.answers
        metrics = compare_with_undistorted(kept, shared, family=chain.name, replicates=replicates)
    return SharingResult(
        name=chain.name,
        basis=chain.basis,
        shrunk=int(scores.shrunk[chain.name].sum()),
        enlarged=int(scores.enlarged[chain.name].sum()),
        lost_profile=int(scores.lost_profile[chain.name].sum()),
        metrics=metrics,
        changes=count_answer_changes(unshared.answers, answers, unshared.groups),
    )
