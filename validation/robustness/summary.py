"""Measure the metrics of a sample of the images under every distortion."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data_collection.dataset.manifest import FaceRecord
from runtime.plotting import ReportFigure
from training import onnx_models
from validation.data import sampling
from validation.metrics.scored_images import ScoredImages
from validation.predictions import Scorer
from validation.robustness import curves as robustness_curves
from validation.robustness import robustness
from validation.robustness.robustness import DistortionResult, DistortionScorer

ROBUSTNESS_REPLICATES = 500


@dataclass(frozen=True)
class RobustnessSummary:
    """Metrics under all distortions.

    Attributes:
        images: number of distorted images.
        undistorted: the same images undistorted.
        conditions: one for each distortion.
        most_biased: the distortion with the largest difference between the classes; None with one
            class only.
        curves: the figure.
    """

    images: int
    undistorted: DistortionResult
    conditions: list[DistortionResult]
    most_biased: DistortionResult | None
    curves: ReportFigure


def measure_robustness(
    folder: Path, records: Sequence[FaceRecord], scored: ScoredImages, scorer: Scorer, most: int
) -> RobustnessSummary:
    """Distorts at most `most` of the judged images, half of each class where possible.

    Args:
        folder: what the records' paths start from.
        judged: of the same records, in the same order.
    """
    place = {record.id: index for index, record in enumerate(records)}
    sample = [
        replace(record, crop=scorer.crop) for record in sampling.sample_records(records, most)
    ]
    run_onnx = onnx_models.open_onnx(scorer.onnx_file, threads=1)
    detector = DistortionScorer(
        score=lambda pixels: run_onnx(pixels.astype("float32"))[:, 0],
        image_size=scorer.image_size,
        cache_folder=scorer.cache_folder,
        cache_key=[scorer.sha256],
    )
    probabilities = robustness.score_distorted(folder, sample, detector)
    few = scored.select([place[record.id] for record in sample])
    clean, *conditions = robustness.compute_distortion_results(
        probabilities, few, replicates=ROBUSTNESS_REPLICATES
    )
    caption = (
        "Orange, dashed: generated faces found; blue, unbroken: photographs called generated, both at the frozen threshold and "
        "with 95% intervals; grey: ROC AUC. “None” is the pictures as they are."
    )
    curves = ReportFigure(
        "robustness",
        "What passing on does",
        caption,
        robustness_curves.plot_robustness_curves([clean, *conditions]),
    )
    return RobustnessSummary(
        len(sample), clean, conditions, robustness.find_most_biased(conditions), curves
    )
