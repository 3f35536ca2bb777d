"""Measure how distortions change a detector's metrics, and whether one class suffers more.

Each original is decoded once, distorted at its native resolution, and then takes the ordinary
path: canonicaliser, detector, frozen threshold. Distorting both classes measures robustness;
distorting only one reveals bias, a score that follows the file's history and not how the image was
made (after Ricker et al. 2026).
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
from validation.metrics import estimates, intervals
from validation.metrics.estimates import UNKNOWN_ESTIMATE, Estimate
from validation.metrics.metrics import FALSE_ALARMS, FOUND
from validation.metrics.paired_differences import estimate_paired_differences
from validation.metrics.scored_images import ScoredImages
from validation.metrics.shares import compute_share_interval
from validation.result_cache import compute_in_chunks, load_or_compute
from validation.robustness.distortions import (
    DISTORTIONS,
    DISTORTIONS_VERSION,
    UNDISTORTED,
    Distortion,
)

ScoreFunction = Callable[[np.ndarray], np.ndarray]

ROBUSTNESS_CHUNK_IMAGES = 16
ROBUSTNESS_BATCH_IMAGES = 4
"""ONNX Runtime on one core is fastest with batches of two to four; it also bounds the memory."""

MAX_DISTORTED_SIDE_PX = 1024
"""Larger squares are shrunk to this first, as services that share images do; it also bounds the
time."""


@dataclass(frozen=True, kw_only=True)
class DistortionResult:
    """Metrics under one distortion, each with its 95% interval; n/a if a class is missing.

    Attributes:
        auc, ece: with both classes distorted.
        found, false_alarms: shares of generated images and of photographs called generated.
        flipped: share of images whose prediction changes.
        auc_real_only, auc_generated_only: AUC with only that class distorted.
        bias: auc_real_only minus auc_generated_only; above 0, the distortion makes images of both
            classes look less generated, below 0 more.
    """

    family: str
    value: str
    auc: Estimate
    found: Estimate
    false_alarms: Estimate
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
    """A detector that scores distorted images, and the cache of its scores.

    Attributes:
        score: from pixels uint8 (n, image_size, image_size, 3) to probabilities (n,); called on
            every core at once, so a single-threaded ONNX session is fastest.
        image_size: side of the detector's input, in pixels.
        qualities: JPEG qualities at which it judges an image.
        cache_folder: folder of finished chunks, from which an interrupted run resumes.
        cache_key: identifies the detector, such as the hash of its file; JSON serialisable.
    """

    score: ScoreFunction
    image_size: int
    cache_folder: Path
    cache_key: Sequence
    qualities: tuple[int, ...] = canonical.JUDGEMENT_QUALITIES


def score_distorted(
    folder: Path,
    records: Sequence[FaceRecord],
    scorer: DistortionScorer,
    distortions: Sequence[Distortion] = DISTORTIONS,
) -> dict[str, np.ndarray]:
    """Return the probabilities of *generated*, (images, qualities), by distortion; "none" is the
    first.

    Args:
        folder: the data set's folder.
    """
    conditions = (UNDISTORTED, *distortions)
    key = [
        *scorer.cache_key,
        scorer.image_size,
        scorer.qualities,
        canonical.CANONICALISER_VERSION,
        canonical.DECODER_VERSION,
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
            records, ROBUSTNESS_CHUNK_IMAGES, "scoring distorted images", score_chunk
        )


def _score_distorted_chunk(
    pool, score_image: Callable, conditions: Sequence[Distortion], chunk: Sequence[FaceRecord]
) -> dict[str, np.ndarray]:
    table = np.stack(list(pool.map(score_image, chunk)))
    return {distortion.name: table[:, number] for number, distortion in enumerate(conditions)}


def _score_distorted_image(
    folder: Path, conditions: Sequence[Distortion], scorer: DistortionScorer, record: FaceRecord
) -> np.ndarray:
    face = decode.decode_face(stored_images.read_original(folder, record), record.crop)
    face.square.thumbnail((MAX_DISTORTED_SIDE_PX, MAX_DISTORTED_SIDE_PX), Image.Resampling.LANCZOS)
    probabilities = []
    for start in range(0, len(conditions), ROBUSTNESS_BATCH_IMAGES):
        pixels = [
            canonical.compute_judgement_pixels(
                replace(face, square=distortion.apply_to(face.square, record.id)),
                scorer.image_size,
                scorer.qualities,
            )
            for distortion in conditions[start : start + ROBUSTNESS_BATCH_IMAGES]
        ]
        probabilities.append(scorer.score(np.concatenate(pixels)))
    return np.concatenate(probabilities).reshape(-1, len(scorer.qualities))


def compute_distortion_results(
    probabilities: Mapping[str, np.ndarray],
    scored: ScoredImages,
    distortions: Sequence[Distortion] = DISTORTIONS,
    replicates: int = intervals.BOOTSTRAP_REPLICATES,
) -> list[DistortionResult]:
    """Compute a result for each distortion of `score_distorted`, the undistorted one first.

    Args:
        scored: labels, groups and threshold of the same images, in the same order.
    """
    undistorted = scored.with_scores(probabilities[UNDISTORTED.name])
    return [
        compare_with_undistorted(
            undistorted,
            undistorted.with_scores(probabilities[distortion.name]),
            family=distortion.family,
            value=distortion.value,
            replicates=replicates,
        )
        for distortion in (UNDISTORTED, *distortions)
    ]


def compare_with_undistorted(
    undistorted: ScoredImages,
    distorted: ScoredImages,
    *,
    family: str,
    value: str = "",
    replicates: int = intervals.BOOTSTRAP_REPLICATES,
) -> DistortionResult:
    """Compute the result of a distortion from the scores of the same images without and with it."""
    metrics = estimates.estimate_metrics(
        distorted, ("ROC AUC", FOUND, FALSE_ALARMS, "ECE"), replicates
    )
    flipped, auc_real_only, auc_generated_only, bias = _estimate_paired_effects(
        undistorted, distorted, replicates
    )
    return DistortionResult(
        family=family,
        value=value,
        auc=metrics["ROC AUC"],
        found=metrics[FOUND],
        false_alarms=metrics[FALSE_ALARMS],
        ece=metrics["ECE"],
        flipped=flipped,
        auc_real_only=auc_real_only,
        auc_generated_only=auc_generated_only,
        bias=bias,
    )


def _estimate_paired_effects(
    undistorted: ScoredImages, distorted: ScoredImages, replicates: int
) -> list[Estimate]:
    """Estimate flipped, auc_real_only, auc_generated_only and bias."""
    flips = distorted.answers != undistorted.answers
    one_sided = [
        replace(
            undistorted,
            probabilities=np.where(
                undistorted.labels == label, distorted.probabilities, undistorted.probabilities
            ),
        )
        for label in (0, 1)
    ]

    flipped = Estimate(
        float(flips.mean()),
        *compute_share_interval(flips, undistorted.groups, intervals.CONFIDENCE_LEVEL),
    )
    pairs = estimate_paired_differences(*one_sided, ["ROC AUC"], replicates)
    if not pairs:
        return [flipped, *[UNKNOWN_ESTIMATE] * 3]
    pair = pairs["ROC AUC"]
    return [flipped, pair.first, pair.second, pair.difference]


def find_most_biased(results: Sequence[DistortionResult]) -> DistortionResult | None:
    """Return the result with the largest |bias|, the bias index; None if a class is missing.

    The largest of many noisy values is never 0, even without bias; see its interval.
    """
    known = [result for result in results if not np.isnan(result.bias.value)]
    return max(known, key=lambda result: abs(result.bias.value), default=None)
