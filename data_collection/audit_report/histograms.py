"""Render histograms of one statistic, or of colour levels, one class over the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data_collection.audit_report.image_statistics import ClassStatistics
from runtime import plotting
from runtime.plotting import CLASS_COLOURS, CLASS_LINE_STYLES, ReportFigure


@dataclass(frozen=True, kw_only=True)
class HistogramSpec:
    """How the histogram of one image statistic is labelled.

    Attributes:
        axis_label: the statistic and its unit.
        comparative: describes an image with a larger value, as in "brighter".
        log_scale: whether the values span orders of magnitude.
    """

    title: str
    axis_label: str
    comparative: str
    caption: str
    log_scale: bool = False


HISTOGRAM_SPECS = {
    "brightness": HistogramSpec(
        title="Brightness",
        axis_label="mean grey level, 0 to 255",
        comparative="brighter",
        caption="How light the images are.",
    ),
    "contrast": HistogramSpec(
        title="Contrast",
        axis_label="standard deviation of grey levels",
        comparative="richer in contrast",
        caption="How far light and dark lie apart in one image.",
    ),
    "saturation": HistogramSpec(
        title="Saturation",
        axis_label="mean of (max \N{MINUS SIGN} min) / max over R, G, B",
        comparative="more colourful",
        caption="0 is a grey image, 1 is pure colour.",
    ),
    "sharpness": HistogramSpec(
        title="Texture",
        axis_label="variance of the Laplacian, grey levels squared",
        comparative="sharper",
        caption="How strongly each pixel differs from its four neighbours.",
        log_scale=True,
    ),
    "detail": HistogramSpec(
        title="Finest detail",
        axis_label="power from .7 to 1 of Nyquist, grey levels squared",
        comparative="richer in fine detail",
        caption="Change from one pixel to the next: grain, hair, noise, or the absence of them.",
        log_scale=True,
    ),
}
STATISTICS_OF_ORIGINALS = ("sharpness", "detail")
"""Also measured as collected, because the canonical picture is a smaller JPEG file."""


def render_statistic_histograms(
    name: str, statistics: Mapping[str, ClassStatistics]
) -> ReportFigure:
    """Render histograms of a statistic as trained and, if it is in STATISTICS_OF_ORIGINALS, as
    collected."""
    spec = HISTOGRAM_SPECS[name]
    stages = {
        "as trained": {label: of_class.canonical[name] for label, of_class in statistics.items()}
    }
    if name in STATISTICS_OF_ORIGINALS:
        originals = {label: of_class.original[name] for label, of_class in statistics.items()}
        stages = {"as collected": originals, **stages}
    figure, panels = plotting.create_panels(len(stages), 2.9 if len(stages) == 1 else 3.7)
    pooled = np.concatenate([values for stage in stages.values() for values in stage.values()])
    pooled = np.maximum(pooled, 1e-3)
    low, high = float(pooled.min()), float(pooled.max()) * 1.001 + 1e-6
    bins = np.geomspace(low, high, 33) if spec.log_scale else np.linspace(low, high, 33)
    for axes, (stage, values_by_label) in zip(panels, stages.items(), strict=True):
        clipped = {label: np.maximum(values, 1e-3) for label, values in values_by_label.items()}
        plotting.draw_histograms(axes, clipped, bins)
        if spec.log_scale:
            axes.set_xscale("log")
        if len(stages) > 1:
            axes.set_title(stage, loc="left", fontsize=10)
    panels[0].legend(frameon=False, fontsize=9)
    panels[-1].set_xlabel(spec.axis_label)
    return ReportFigure(
        name,
        spec.title,
        f"{spec.caption} {_describe_comparison(spec, stages)}".strip(),
        plotting.render_png(figure),
    )


def _describe_comparison(
    spec: HistogramSpec, stages: Mapping[str, Mapping[str, Sequence[float]]]
) -> str:
    shares = [
        f"{compute_probability_of_superiority(values['real'], values['generated']):.0%} {stage}"
        for stage, values in stages.items()
        if len(values) == 2
    ]
    if not shares:
        return ""
    return (
        f"In pairs of one image of each class, the generated one is {spec.comparative}: "
        f"{', '.join(shares)} (50% is no difference)."
    )


def compute_probability_of_superiority(real: Sequence[float], generated: Sequence[float]) -> float:
    """Return the share of pairs whose generated value is the larger one; ties count half, so .5
    is no difference."""
    ordered = np.sort(real)
    twice_below = np.searchsorted(ordered, generated, "left") + np.searchsorted(
        ordered, generated, "right"
    )
    return float(twice_below.mean() / 2 / len(ordered))


def render_colour_histograms(statistics: Mapping[str, ClassStatistics]) -> ReportFigure:
    figure, panels = plotting.create_panels(3, 3.7)
    for axes, name, band in zip(panels, ("red", "green", "blue"), range(3), strict=True):
        for label, of_class in statistics.items():
            axes.plot(
                np.arange(64) * 4 + 2,
                100 * of_class.compute_mean("levels")[band],
                linestyle=CLASS_LINE_STYLES[label],
                color=CLASS_COLOURS[label],
                label=label,
            )
        axes.set_title(name, loc="left", fontsize=10)
        axes.set_ylabel("pixels, %")
        axes.set_ylim(bottom=0)
    panels[0].legend(frameon=False, fontsize=9, ncols=2)
    panels[-1].set_xlabel("level, 0 to 255")
    caption = (
        "How often each level of red, green and blue occurs. A class with a spike at 0 or 255 is "
        "under- or overexposed; curves that lie apart in one channel are a colour cast."
    )
    return ReportFigure("colours", "Colours", caption, plotting.render_png(figure))
