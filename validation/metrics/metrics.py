"""Metrics of a detector at its frozen threshold, one function each, and their intervals.

scikit-learn computes one sample at a time; these take all bootstrap replicates at once (2,000 of
10,000 images in seconds), and tests hold them to scikit-learn's values, ties and weights included.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from validation.metrics.metric_functions import (
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
    make_tpr_at_fpr,
)
from validation.metrics.scored_images import WeightedImages


@dataclass(frozen=True)
class Metric:
    """One row.

    Attributes:
        compute: from weighted images to one value per replicate, (replicates,).
        classes: which classes it looks at, 1 for generated; without one of them it is n/a.
        higher: whether more is better.
        fewest_real: independent photographs under which it means nothing.
        share: whether it is a share of independent groups, and so has an exact interval.
        spread: whether the bootstrap can give an interval at all.
    """

    name: str
    compute: Callable[[WeightedImages], np.ndarray]
    classes: tuple[int, ...] = (0, 1)
    higher: bool = True
    fewest_real: int = 0
    share: bool = False
    spread: bool = True


METRICS = {
    row.name: row
    for row in (
        Metric("ROC AUC", compute_roc_auc),
        Metric("balanced accuracy", compute_balanced_accuracy),
        Metric("TPR", compute_tpr, (1,), share=True),
        Metric("FPR", compute_fpr, (0,), higher=False, share=True),
        Metric("accuracy", compute_accuracy, share=True),
        Metric("precision", compute_precision),
        Metric("F1", compute_f1),
        Metric("MCC", compute_matthews_correlation),
        Metric("average precision", compute_average_precision),
        Metric("EER", compute_equal_error_rate, higher=False),
        Metric("TPR at 1% FPR", make_tpr_at_fpr(0.01), fewest_real=1000),
        Metric("TPR at 5% FPR", make_tpr_at_fpr(0.05), fewest_real=300),
        Metric("balanced accuracy at 0.5", compute_balanced_accuracy_at_half),
        Metric("Brier score", compute_brier_score, higher=False),
        Metric("log loss", compute_log_loss, higher=False),
        Metric("ECE", compute_calibration_error, higher=False, spread=False),
    )
}
