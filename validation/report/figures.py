"""The figures of a report: ROC and precision-recall curves, probabilities, reliability, and the map
of the features."""

from collections.abc import Sequence

import numpy as np

from data_collection.dataset.manifest import LABELS
from runtime.plotting import (
    SERIES_COLOURS,
    ReportFigure,
    create_panels,
    draw_histograms,
    render_png,
)
from training.cuts.operating_point import Calibration
from training.cuts.verdicts import ABSTAIN
from validation.metrics.comparison import DetectorResult
from validation.metrics.reliability import compute_reliability_bins
from validation.metrics.scored_images import ScoredImages

CURVE_LINE_STYLES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)))


def plot_report_figures(
    results: Sequence[DetectorResult], calibration: Calibration
) -> list[ReportFigure]:
    """Plot all figures that these images allow; the first result is that of the validated
    detector."""
    scored = results[0].scored
    figures = [plot_probabilities(scored, calibration)]
    if len(set(scored.labels.tolist())) == 2:
        comparisons = [plot_roc(results), plot_precision_recall(results)]
        figures = [*comparisons, plot_reliability(scored), *figures]
    return figures


def plot_roc(results: Sequence[DetectorResult]) -> ReportFigure:
    from sklearn.metrics import roc_curve

    figure, (axes,) = create_panels(height=3.9)
    for number, result in enumerate(results):
        fpr, tpr, _ = roc_curve(result.scored.labels, result.scored.probabilities)
        # Straight lines: with steps, ties would not count as half.
        _plot_curve(
            axes,
            fpr,
            tpr,
            number,
            f"{result.name}: {result.estimates['ROC AUC'].value:.3f}",
            "default",
        )
    estimates = results[0].estimates
    axes.plot(
        estimates["FPR"].value,
        estimates["TPR"].value,
        "o",
        color=SERIES_COLOURS[0],
        markersize=7,
        label="at the frozen threshold",
    )
    axes.plot([0, 1], [0, 1], color="0.8", zorder=0)
    axes.set(xlabel="photographs called generated (FPR)", ylabel="generated images found (TPR)")
    axes.legend(loc="lower right", fontsize=7.5, title="ROC AUC", title_fontsize=7.5, frameon=False)
    caption = (
        "Up and to the left is better; the grey diagonal is chance level. The dot is the "
        "threshold, which was set on other images."
    )
    return ReportFigure("roc", "ROC curve", caption, render_png(figure))


def plot_precision_recall(results: Sequence[DetectorResult]) -> ReportFigure:
    from sklearn.metrics import precision_recall_curve

    figure, (axes,) = create_panels(height=3.9)
    for number, result in enumerate(results):
        precision, recall, _ = precision_recall_curve(
            result.scored.labels, result.scored.probabilities
        )
        _plot_curve(
            axes,
            recall,
            precision,
            number,
            f"{result.name}: {result.estimates['average precision'].value:.3f}",
        )
    share = float(results[0].scored.labels.mean())
    axes.axhline(share, color="0.8", zorder=0)
    axes.set(xlabel="recall (TPR)", ylabel="precision", ylim=(0, 1.03))
    axes.legend(
        loc="lower left", fontsize=7.5, title="average precision", title_fontsize=7.5, frameon=False
    )
    caption = (
        f"Precision at this set's mix of {share:.0%} generated images (the grey line is chance "
        "level). Where generated images are rarer, precision is lower."
    )
    return ReportFigure("precision-recall", "Precision and recall", caption, render_png(figure))


def _plot_curve(
    axes, x: np.ndarray, y: np.ndarray, number: int, label: str, steps: str = "steps-post"
) -> None:
    style = {
        "color": SERIES_COLOURS[number % len(SERIES_COLOURS)],
        "linestyle": CURVE_LINE_STYLES[number % len(CURVE_LINE_STYLES)],
    }
    axes.plot(x, y, label=label, linewidth=1.9 if number == 0 else 1.3, drawstyle=steps, **style)


def plot_probabilities(scored: ScoredImages, calibration: Calibration) -> ReportFigure:
    figure, (axes,) = create_panels(height=3.4)
    values = {
        name: scored.probabilities[scored.labels == label] for label, name in enumerate(LABELS)
    }
    draw_histograms(
        axes, {name: array for name, array in values.items() if len(array)}, np.linspace(0, 1, 26)
    )
    real_below, generated_above = calibration.point.limits
    axes.axvspan(
        real_below or 0.0,
        1.0 if generated_above is None else generated_above,
        color="0.9",
        zorder=0,
        label=ABSTAIN,
    )
    axes.axvline(calibration.threshold, color="0.2", linestyle=":", label="threshold")
    axes.set(xlabel="probability of generated", xlim=(0, 1))
    axes.legend(fontsize=7.5, frameon=False)
    caption = (
        f"Probabilities from the detector. In the grey band it answers “{ABSTAIN}”; threshold and "
        "band were set on other images."
    )
    return ReportFigure("probabilities", "Probabilities", caption, render_png(figure))


def plot_reliability(scored: ScoredImages) -> ReportFigure:
    figure, (axes, below) = create_panels(2, height=4.2)
    bins = list(compute_reliability_bins(scored))
    axes.plot([0, 1], [0, 1], color="0.8", zorder=0)
    x, y = [row.probability for row in bins], [row.generated for row in bins]
    axes.plot(x, y, "o-", color=SERIES_COLOURS[0], markersize=4, linewidth=1.3)
    axes.set(ylabel="share generated", ylim=(-0.04, 1.04), xlim=(0, 1))
    below.bar(x, [row.images for row in bins], width=0.02, color=SERIES_COLOURS[1])
    below.set(xlabel="probability of generated, mean of the bin", ylabel="images")
    caption = (
        "Of the images with a probability of 70%, 70% should be generated, so that points lie on "
        "the grey line. Bins with few images, see below, say little."
    )
    return ReportFigure("reliability", "Reliability", caption, render_png(figure))
