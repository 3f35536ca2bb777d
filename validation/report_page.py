"""index.html: the report as one page that reads from top to bottom like a paper's results."""

import math
from pathlib import Path

from data_collection import pages
from data_collection.manifest import LABELS
from validation.breakdowns import FEWEST
from validation.heat_maps import FEWEST as FEWEST_CHECKED
from validation.heat_maps import FEWEST_WON, MOST_ALIKE
from validation.intervals import CONFIDENCE, REPLICATES
from validation.metrics import METRICS, Estimate, calibrated_by_chance
from validation.report import Report

TEMPLATE = "report.html.jinja"

MEANING = {
    "ROC AUC": "chance that a generated image gets a higher probability than a photograph; ties count half",
    "balanced accuracy": "mean of the two classes' accuracies at the frozen threshold; a coin has .5",
    "TPR": "share of generated images that are called generated (recall)",
    "FPR": "share of photographs that are called generated (false alarms)",
    "accuracy": "share of all images that are called right, at this mix of classes",
    "precision": "share of images called generated that are, at this mix of classes",
    "F1": "harmonic mean of precision and recall",
    "MCC": "Matthews correlation coefficient, from -1 to 1; a coin has 0",
    "average precision": "area under the precision-recall steps, without interpolation",
    "EER": "the rate where false positives and false negatives are equal, between the ROC curve's two nearest points",
    "TPR at 1% FPR": "highest TPR of the ROC curve's points with at most 1% FPR; needs 1,000 independent photographs",
    "TPR at 5% FPR": "the same at 5%; needs 300 independent photographs",
    "balanced accuracy at 0.5": "if the probability alone decided",
    "Brier score": "mean squared difference of probability and label",
    "log loss": "mean negative logarithm of the probability given to the truth, in nats",
    "ECE": "expected calibration error in 15 equal bins; it is above 0 by chance alone where bins hold few images",
}
assert list(MEANING) == list(METRICS)


def page(report: Report) -> str:
    return pages.template(Path(__file__).parent, TEMPLATE, figure=_figure, share=_share, points=_points).render(
        report=report,
        card=report.card,
        data=report.data,
        labels=LABELS,
        metrics=METRICS,
        meaning=MEANING,
        confusion=report.judged.confusion,
        fewest=FEWEST,
        confidence=CONFIDENCE,
        replicates=REPLICATES,
        fewest_won=FEWEST_WON,
        fewest_checked=FEWEST_CHECKED,
        by_chance=calibrated_by_chance(report.judged),
        most_alike=MOST_ALIKE,
        figures={picture.name: picture for picture in report.pictures},
    )


def _figure(estimate: Estimate) -> str:
    return "n/a" if math.isnan(estimate.value) else f"{estimate.value:.3f}"


def _share(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.1%}"


def _points(estimate: Estimate) -> str:
    """An estimate as a share, with its interval."""
    if math.isnan(estimate.value):
        return "n/a"
    return f"{estimate.value:.0%}" + (f" ({estimate.low:.0%} to {estimate.high:.0%})" if estimate.known else "")
