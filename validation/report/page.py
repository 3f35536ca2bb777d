"""index.html: the report as one page that reads from top to bottom like a paper's results."""

import math
from pathlib import Path

from data_collection.dataset.manifest import LABELS
from runtime import atomic_files, html_pages
from validation import plain_json
from validation.explanations.heat_maps import MAX_RANDOMISED_CORRELATION, MIN_MASKING_WIN_RATE
from validation.explanations.heat_maps import MIN_CHECKED_IMAGES as FEWEST_CHECKED
from validation.metrics.breakdowns import MIN_IMAGES_PER_SUBGROUP
from validation.metrics.estimates import Estimate
from validation.metrics.intervals import BOOTSTRAP_REPLICATES, CONFIDENCE_LEVEL
from validation.metrics.metrics import METRICS
from validation.metrics.reliability import compute_chance_calibration_error
from validation.report.report import ValidationReport, build_metrics_json

REPORT_TEMPLATE = "page.html.jinja"

METRIC_DESCRIPTIONS = {
    "ROC AUC": "chance that a generated image gets a higher probability than a photograph; ties count half",
    "balanced accuracy": "mean of the two classes' accuracies at the frozen threshold; chance level is .5",
    "TPR": "share of generated images that are called generated (recall)",
    "FPR": "share of photographs that are called generated (false alarms)",
    "accuracy": "share of all images that are called right, at this mix of classes",
    "precision": "share of images called generated that are, at this mix of classes",
    "F1": "harmonic mean of precision and recall",
    "MCC": "Matthews correlation coefficient, from -1 to 1; chance level is 0",
    "average precision": "area under the precision-recall steps, without interpolation",
    "EER": "the rate where false positives and false negatives are equal, between the ROC curve's two nearest points",
    "TPR at 1% FPR": "highest TPR of the ROC curve's points with at most 1% FPR; needs 1,000 independent photographs",
    "TPR at 5% FPR": "the same at 5%; needs 300 independent photographs",
    "balanced accuracy at 0.5": "if the probability alone decided",
    "Brier score": "mean squared difference of probability and label",
    "log loss": "mean negative logarithm of the probability given to the truth, in nats",
    "ECE": "expected calibration error in 15 equal bins; it is above 0 by chance alone where bins hold few images",
}
assert list(METRIC_DESCRIPTIONS) == list(METRICS)


def render_report_page(report: ValidationReport) -> str:
    return html_pages.load_template(
        Path(__file__).parent,
        REPORT_TEMPLATE,
        figure=_format_value,
        share=_format_share,
        points=_format_share_interval,
    ).render(
        report=report,
        card=report.card,
        data=report.data,
        labels=LABELS,
        metrics=METRICS,
        meaning=METRIC_DESCRIPTIONS,
        confusion=report.judged.confusion,
        fewest=MIN_IMAGES_PER_SUBGROUP,
        confidence=CONFIDENCE_LEVEL,
        replicates=BOOTSTRAP_REPLICATES,
        fewest_won=MIN_MASKING_WIN_RATE,
        fewest_checked=FEWEST_CHECKED,
        by_chance=compute_chance_calibration_error(report.judged),
        most_alike=MAX_RANDOMISED_CORRELATION,
        figures={picture.name: picture for picture in report.pictures},
    )


def _format_value(estimate: Estimate) -> str:
    return "n/a" if math.isnan(estimate.value) else f"{estimate.value:.3f}"


def _format_share(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.1%}"


def _format_share_interval(estimate: Estimate) -> str:
    """An estimate as a share, with its interval."""
    if math.isnan(estimate.value):
        return "n/a"
    return f"{estimate.value:.0%}" + (
        f" ({estimate.low:.0%} to {estimate.high:.0%})" if estimate.known else ""
    )


def write_report(report: ValidationReport, folder: Path) -> Path:
    """Writes the page and metrics.json; returns the page's path."""
    from validation.report import page

    plain_json.write_plain_json(folder / "metrics.json", build_metrics_json(report))
    # A file name that is no UTF-8 holds surrogates, which cannot be encoded.
    atomic_files.write_atomically(
        folder / "index.html", page.render_report_page(report).encode(errors="replace")
    )
    return folder / "index.html"
