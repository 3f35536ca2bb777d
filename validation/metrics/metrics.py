"""The table of metrics: what each one means, and what its interval needs.

The functions are in metric_functions.py.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from training.cuts.verdicts import GENERATED, REAL, VERDICTS, Verdict
from validation.metrics.intervals import MIN_INTERVAL_GROUPS
from validation.metrics.metric_functions import (
    LOG_LOSS_CLIP,
    compute_accuracy,
    compute_average_precision,
    compute_balanced_accuracy,
    compute_balanced_accuracy_at_half,
    compute_brier_score,
    compute_calibration_error,
    compute_equal_error_rate,
    compute_f1,
    compute_fpr,
    compute_log_loss,
    compute_matthews_correlation,
    compute_precision,
    compute_roc_auc,
    compute_tpr,
    make_answer_share,
    make_tpr_at_fpr,
)
from validation.metrics.scored_images import ScoredImages, WeightedImages

IntervalKind = Literal["share", "rates", "scores"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric of a detector at its frozen threshold.

    Attributes:
        description: what it measures, for the report page.
        compute: from weighted images to one value per replicate, shape (replicates,).
        classes: classes that it needs, 1 for generated; without one of them it is n/a.
        min_real_groups: number of independent photographs below which it is n/a.
        interval: what its interval is made of: the images counted, the intervals of TPR and FPR,
            or bootstrap samples of the scores; None if it has none.
        min_groups: number of groups of each class below which it has no interval.
        cut: threshold that it uses instead of the detector's, if it uses another.
        answer: which of the three answers a share counts; None to count images over the threshold.
        highest: largest possible value of a metric read from the scores; the smallest is 0.
    """

    name: str
    description: str
    compute: Callable[[WeightedImages], np.ndarray]
    classes: tuple[int, ...] = (0, 1)
    higher_is_better: bool = True
    min_real_groups: int = 0
    interval: IntervalKind | None = "scores"
    min_groups: int = MIN_INTERVAL_GROUPS
    cut: float | None = None
    answer: Verdict | None = None
    highest: float = 1.0

    def compute_value(self, scored: ScoredImages) -> float:
        """Compute the metric of the images as they are."""
        weights = np.ones((1, len(scored.labels)))
        return float(self.compute(WeightedImages(scored, weights))[0])


FALSE_ALARMS, FOUND = (
    f"{images} {VERDICTS[GENERATED].predicate}" for images in ("photographs", "generated images")
)
"""Names of the two shares by which the three answers are judged first."""


def _list_answer_shares() -> list[Metric]:
    """Return the share of each class that gets each of the three answers."""
    return [
        Metric(
            name=f"{images} {words.predicate}",
            description=f"share of {images} {words.predicate}, at the detector's cuts",
            compute=make_answer_share(label, answer),
            classes=(label,),
            higher_is_better=answer == right_answer,
            interval="share",
            min_groups=0,
            answer=answer,
        )
        for label, images, right_answer in (
            (0, "photographs", REAL),
            (1, "generated images", GENERATED),
        )
        for answer, words in VERDICTS.items()
    ]


METRICS = {
    row.name: row
    for row in (
        *_list_answer_shares(),
        Metric(
            name="ROC AUC",
            description=(
                "chance that a generated image gets a higher probability than a photograph; "
                "ties count half"
            ),
            compute=compute_roc_auc,
        ),
        Metric(
            name="balanced accuracy",
            description=(
                "mean of the two classes' accuracies at the frozen threshold; chance level is .5"
            ),
            compute=compute_balanced_accuracy,
            interval="rates",
        ),
        Metric(
            name="TPR",
            description="share of generated images that are called generated (recall)",
            compute=compute_tpr,
            classes=(1,),
            interval="share",
            min_groups=0,
        ),
        Metric(
            name="FPR",
            description="share of photographs that are called generated (false alarms)",
            compute=compute_fpr,
            classes=(0,),
            higher_is_better=False,
            interval="share",
            min_groups=0,
        ),
        Metric(
            name="accuracy",
            description="share of all images that are called right, at this mix of classes",
            compute=compute_accuracy,
            interval="rates",
            min_groups=0,
        ),
        Metric(
            name="precision",
            description="share of images called generated that are, at this mix of classes",
            compute=compute_precision,
            interval="rates",
        ),
        Metric(
            name="F1",
            description="harmonic mean of precision and recall",
            compute=compute_f1,
            interval="rates",
        ),
        Metric(
            name="MCC",
            description="Matthews correlation coefficient, from -1 to 1; chance level is 0",
            compute=compute_matthews_correlation,
            interval="rates",
        ),
        Metric(
            name="average precision",
            description="area under the precision-recall steps, without interpolation",
            compute=compute_average_precision,
        ),
        Metric(
            name="EER",
            description=(
                "the rate where false positives and false negatives are equal, "
                "between the ROC curve's two nearest points"
            ),
            compute=compute_equal_error_rate,
            higher_is_better=False,
        ),
        Metric(
            name="TPR at 1% FPR",
            description=(
                "highest TPR of the ROC curve's points with at most 1% FPR; "
                "needs 1,000 independent photographs"
            ),
            compute=make_tpr_at_fpr(0.01),
            min_real_groups=1000,
        ),
        Metric(
            name="TPR at 5% FPR",
            description="the same at 5%; needs 300 independent photographs",
            compute=make_tpr_at_fpr(0.05),
            min_real_groups=300,
        ),
        Metric(
            name="balanced accuracy at 0.5",
            description="if the probability alone decided",
            compute=compute_balanced_accuracy_at_half,
            interval="rates",
            cut=0.5,
        ),
        Metric(
            name="Brier score",
            description="mean squared difference of probability and label",
            compute=compute_brier_score,
            higher_is_better=False,
        ),
        Metric(
            name="log loss",
            description="mean negative logarithm of the probability given to the truth, in nats",
            compute=compute_log_loss,
            higher_is_better=False,
            highest=-math.log(LOG_LOSS_CLIP),
        ),
        Metric(
            name="ECE",
            description=(
                "expected calibration error in 15 equal bins; "
                "it is above 0 by chance alone where bins hold few images"
            ),
            compute=compute_calibration_error,
            higher_is_better=False,
            interval=None,
        ),
    )
}
