"""Robustness of a detector's answers to distortions, and whether one class suffers more.

Each original is decoded once, every distortion is applied to it at its native resolution, and the
ordinary path follows: the canonicaliser, the detector, its frozen threshold. Distorting both
classes shows robustness; distorting one alone shows bias, a score that follows the file's history
and not its making (after Ricker et al. 2026).
"""

import concurrent.futures
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from data_collection.dataset import stored_images
from data_collection.dataset.manifest import FaceRecord
from data_collection.images import canonical, decode
from validation.metrics import estimates, intervals, metric_functions
from validation.metrics.estimates import Estimate
from validation.metrics.scored_images import ScoredImages, WeightedImages
from validation.result_cache import compute_in_chunks, load_or_compute
from validation.robustness.distortions import (
    DISTORTIONS,
    DISTORTIONS_VERSION,
    UNDISTORTED,
    Distortion,
)

ScoreFunction = Callable[[np.ndarray], np.ndarray]

ROBUSTNESS_CHUNK_IMAGES = 16
# ONNX Runtime on one core is fastest with batches of two to four, and so no thread holds more
# pictures than that.
ROBUSTNESS_BATCH_IMAGES = 4

MAX_DISTORTED_SIDE_PX = 1024
"""Larger squares are shrunk to this first, as every service that passes pictures on does; it also
bounds the time."""


@dataclass(frozen=True)
class DistortionResult:
    """Metrics under one distortion, each with its 95% interval; n/a where a class is missing.

    Attributes:
        auc, tpr, fpr, ece: with both classes distorted, at the frozen threshold.
        flipped: share of images whose call (generated or not) differs from the undistorted one's.
        auc_real_only, auc_generated_only: with only that class distorted, the other as it is.
        bias: the first less the second: above 0, the distortion makes pictures look less generated
            whatever they are; under 0, more.
    """

    family: str
    value: str
    auc: Estimate
    tpr: Estimate
    fpr: Estimate
    ece: Estimate
    flipped: Estimate
    auc_real_only: Estimate
    auc_generated_only: Estimate
    bias: Estimate

    @property
    def name(self) -> str:
        return f"{self.family} {self.value}".strip()


@dataclass(frozen=True)
class DistortionScorer:
    """A detector to score distorted images with, and where its finished chunks are cached.

    Attributes:
        score: from pixels uint8 (n, image_size, image_size, 3) to probabilities (n,); called on
            every core at once, so a single-threaded ONNX session is fastest.
        image_size: side of the detector's input, pixels.
        cache_folder: folder for finished chunks, which an interrupted run finds there again.
        cache_key: what tells this detector from every other, such as the hash of its file; JSON
            serialisable.
    """

    score: ScoreFunction
    image_size: int
    cache_folder: Path
    cache_key: Sequence


def score_distorted(
    folder: Path,
    records: Sequence[FaceRecord],
    scorer: DistortionScorer,
    distortions: Sequence[Distortion] = DISTORTIONS,
) -> dict[str, np.ndarray]:
    """Return the probabilities of *generated*, (images,), by condition; "none" is the first.

    Args:
        folder: the data set's folder.
    """
    conditions = (UNDISTORTED, *distortions)
    key = [
        *scorer.cache_key,
        scorer.image_size,
        canonical.CANONICALISER_VERSION,
        DISTORTIONS_VERSION,
        [distortion.name for distortion in conditions],
    ]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        score_image = partial(_score_distorted_image, folder, conditions, scorer)

        def score_chunk(chunk: Sequence[FaceRecord]) -> dict[str, np.ndarray]:
            ids = [[record.id, record.crop] for record in chunk]
            return load_or_compute(
                scorer.cache_folder,
                "robustness",
                [*key, ids],
                partial(_score_distorted_chunk, pool, score_image, conditions, chunk),
            )

        return compute_in_chunks(
            records, ROBUSTNESS_CHUNK_IMAGES, "distorting and judging", score_chunk
        )


def _score_distorted_chunk(
    pool, score_image: Callable, conditions: Sequence[Distortion], chunk: Sequence[FaceRecord]
) -> dict[str, np.ndarray]:
    table = np.stack(list(pool.map(score_image, chunk)))
    return {distortion.name: column for distortion, column in zip(conditions, table.T, strict=True)}


def _score_distorted_image(
    folder: Path, conditions: Sequence[Distortion], scorer: DistortionScorer, record: FaceRecord
) -> np.ndarray:
    face = decode.decode_face(stored_images.read_original(folder, record), record.crop)
    face.square.thumbnail((MAX_DISTORTED_SIDE_PX, MAX_DISTORTED_SIDE_PX), Image.Resampling.LANCZOS)
    probabilities = []
    for start in range(0, len(conditions), ROBUSTNESS_BATCH_IMAGES):
        pixels = [
            canonical.compute_canonical_pixels(
                replace(face, square=distortion.apply_to(face.square, record.id)),
                record.id,
                scorer.image_size,
            )
            for distortion in conditions[start : start + ROBUSTNESS_BATCH_IMAGES]
        ]
        probabilities.append(scorer.score(np.stack(pixels)))
    return np.concatenate(probabilities)


def compute_distortion_results(
    probabilities: Mapping[str, np.ndarray],
    clean: ScoredImages,
    distortions: Sequence[Distortion] = DISTORTIONS,
    replicates: int = intervals.BOOTSTRAP_REPLICATES,
) -> list[DistortionResult]:
    """A row for each condition of `run`, the undistorted one first.

    Args:
        clean: labels, groups and threshold of the same images, in the same order.
    """
    clean = replace(clean, probabilities=probabilities[UNDISTORTED.name])
    return [
        _compute_distortion_result(each, probabilities[each.name], clean, replicates)
        for each in (UNDISTORTED, *distortions)
    ]


def _compute_distortion_result(
    distortion: Distortion, distorted: np.ndarray, clean: ScoredImages, replicates: int
) -> DistortionResult:
    both = replace(clean, probabilities=distorted)
    whole = estimates.estimate_metrics(both, ("ROC AUC", "TPR", "FPR", "ECE"), replicates)
    return DistortionResult(
        distortion.family,
        distortion.value,
        *whole.values(),
        *_estimate_paired_effects(clean, both, replicates),
    )


def _estimate_paired_effects(
    clean: ScoredImages, distorted: ScoredImages, replicates: int
) -> list[Estimate]:
    """flipped, auc_real_only, auc_generated_only and bias, all from the same replicates."""
    flips = distorted.predicted_generated != clean.predicted_generated
    one_sided = [
        replace(
            clean,
            probabilities=np.where(
                clean.labels == label, distorted.probabilities, clean.probabilities
            ),
        )
        for label in (0, 1)
    ]

    def values(weights: np.ndarray) -> np.ndarray:
        real_only, generated_only = (
            metric_functions.compute_roc_auc(WeightedImages(each, weights)) for each in one_sided
        )
        return np.stack(
            [
                weights @ flips / weights.sum(axis=1),
                real_only,
                generated_only,
                real_only - generated_only,
            ]
        )

    points = values(np.ones((1, len(flips))))[:, 0].tolist()
    drawn = np.concatenate(
        [values(weights) for weights in intervals.resample_groups(clean, replicates, seed=0)],
        axis=1,
    )
    found = [
        Estimate(value, *intervals.compute_percentile_interval(row))
        for value, row in zip(points, drawn, strict=True)
    ]
    exact = intervals.compute_exact_interval(
        points[0], len(np.unique(clean.groups)), intervals.CONFIDENCE_LEVEL
    )
    return [
        Estimate(points[0], *intervals.merge_intervals((found[0].low, found[0].high), exact)),
        *found[1:],
    ]


def find_most_biased(rows: Sequence[DistortionResult]) -> DistortionResult | None:
    """The row with the bias index, the largest |bias|; None where a class is missing.

    The largest of many noisy figures is never 0, bias or none: its interval says what may be
    chance.
    """
    known = [row for row in rows if not np.isnan(row.bias.value)]
    return max(known, key=lambda row: abs(row.bias.value), default=None)
