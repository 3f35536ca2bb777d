"""Measure the metrics of a sample of the images under all distortions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data_collection.dataset.manifest import FaceRecord
from runtime.plotting import ReportFigure
from training.onnx_files import onnx_models
from validation.data import sampling
from validation.metrics.scored_images import ScoredImages
from validation.predictions import Scorer
from validation.robustness import curves, robustness
from validation.robustness.robustness import DistortionResult, DistortionScorer

ROBUSTNESS_REPLICATES = 500
ROBUSTNESS_CAPTION = (
    "Orange, dashed: generated faces that are found; blue, solid: photographs that are called "
    "generated, both at the detector's cuts and with 95% intervals; grey: ROC AUC. “None” is the "
    "undistorted images."
)


@dataclass(frozen=True, kw_only=True)
class RobustnessSummary:
    """Metrics under all distortions.

    Attributes:
        images: number of distorted images.
        undistorted: the same images undistorted.
        conditions: one result for each distortion.
        most_biased: the distortion with the largest bias; None with one class only.
    """

    images: int
    undistorted: DistortionResult
    conditions: list[DistortionResult]
    most_biased: DistortionResult | None
    curves: ReportFigure


def measure_robustness(
    folder: Path,
    records: Sequence[FaceRecord],
    scored: ScoredImages,
    scorer: Scorer,
    max_images: int,
) -> RobustnessSummary:
    """Distort at most `max_images` of the images, half of each class if possible.

    Args:
        folder: base of the records' paths.
        scored: scores of the same records, in the same order.
    """
    sample = select_sample(records, scorer, max_images)
    probabilities = robustness.score_distorted(folder, sample, open_distortion_scorer(scorer))
    scored_sample = select_scored_sample(records, scored, sample)
    undistorted, *conditions = robustness.compute_distortion_results(
        probabilities, scored_sample, replicates=ROBUSTNESS_REPLICATES
    )
    return RobustnessSummary(
        images=len(sample),
        undistorted=undistorted,
        conditions=conditions,
        most_biased=robustness.find_most_biased(conditions),
        curves=ReportFigure(
            "robustness",
            "Metrics under distortions",
            ROBUSTNESS_CAPTION,
            curves.plot_robustness_curves([undistorted, *conditions]),
        ),
    )


def select_sample(
    records: Sequence[FaceRecord], scorer: Scorer, max_images: int
) -> list[FaceRecord]:
    """Return at most `max_images` of the images, half of each class if possible, with the crop of
    the detector."""
    return [
        replace(record, crop=scorer.crop) for record in sampling.sample_records(records, max_images)
    ]


def select_scored_sample(
    records: Sequence[FaceRecord], scored: ScoredImages, sample: Sequence[FaceRecord]
) -> ScoredImages:
    """Return the scores of a sample of the records, in the order of the sample."""
    index_by_id = {record.id: index for index, record in enumerate(records)}
    return scored.select(np.array([index_by_id[record.id] for record in sample], int))


def open_distortion_scorer(scorer: Scorer) -> DistortionScorer:
    run_onnx = onnx_models.open_onnx(scorer.read_model(), threads=1)
    return DistortionScorer(
        score=lambda pixels: run_onnx(pixels.astype("float32"))[:, 0],
        image_size=scorer.image_size,
        cache_folder=scorer.cache_folder,
        cache_key=[scorer.sha256],
        qualities=scorer.qualities,
    )
