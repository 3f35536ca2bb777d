"""Histograms of one statistic, or of colour levels, one class over the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data_collection.audit_report.image_statistics import ClassStatistics
from runtime import plotting
from runtime.plotting import CLASS_COLOURS, CLASS_LINE_STYLES, ReportFigure


@dataclass(frozen=True, kw_only=True)
class HistogramSpec:
    """A statistic that every image has.

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
        caption="How light the pictures are.",
    ),
    "contrast": HistogramSpec(
        title="Contrast",
        axis_label="standard deviation of grey levels",
        comparative="richer in contrast",
        caption="How far light and dark lie apart in one picture.",
    ),
    "saturation": HistogramSpec(
        title="Saturation",
        axis_label="mean of (max \N{MINUS SIGN} min) / max over R, G, B",
        comparative="more colourful",
        caption="0 is a grey picture, 1 is pure colour.",
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
        caption="What changes from one pixel to the next: grain, hair, noise, or the absence of them.",
        log_scale=True,
    ),
}
STATISTICS_OF_ORIGINALS = ("sharpness", "detail")
"""Also measured as collected, because the canonical picture is a smaller JPEG."""


def render_statistic_histograms(name: str, looks: Mapping[str, ClassStatistics]) -> ReportFigure:
    """Render histograms of a statistic, one class over the other; those of
    STATISTICS_OF_ORIGINALS also as collected."""
    spec = HISTOGRAM_SPECS[name]
    stages = {"as trained": {label: each.traits[name] for label, each in looks.items()}}
    if name in STATISTICS_OF_ORIGINALS:
        stages = {
            "as collected": {label: each.before[name] for label, each in looks.items()},
            **stages,
        }
    figure, panels = plotting.create_panels(len(stages), 2.9 if len(stages) == 1 else 3.7)
    everything = np.maximum(
        np.concatenate([values for each in stages.values() for values in each.values()]), 1e-3
    )
    low, high = float(everything.min()), float(everything.max()) * 1.001 + 1e-6
    bins = np.geomspace(low, high, 33) if spec.log_scale else np.linspace(low, high, 33)
    for axes, (stage, values) in zip(panels, stages.items(), strict=True):
        plotting.draw_histograms(
            axes, {label: np.maximum(each, 1e-3) for label, each in values.items()}, bins
        )
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
        f"{compute_probability_of_superiority(each['real'], each['generated']):.0%} {stage}"
        for stage, each in stages.items()
        if len(each) == 2
    ]
    if not shares:
        return ""
    return (
        f"In pairs of one of each class, the generated one is {spec.comparative}: "
        f"{', '.join(shares)} (50% is no difference)."
    )


def compute_probability_of_superiority(real: Sequence[float], generated: Sequence[float]) -> float:
    """Return the share of pairs whose generated value is the larger one, ties as half: .5 is no
    difference."""
    ordered = np.sort(real)
    below = np.searchsorted(ordered, generated, "left") + np.searchsorted(
        ordered, generated, "right"
    )
    return float(below.mean() / 2 / len(ordered))


def render_colour_histograms(looks: Mapping[str, ClassStatistics]) -> ReportFigure:
    figure, panels = plotting.create_panels(3, 3.7)
    for axes, name, band in zip(panels, ("red", "green", "blue"), range(3), strict=True):
        for label, each in looks.items():
            axes.plot(
                np.arange(64) * 4 + 2,
                100 * each.mean("levels")[band],
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
        "over- or underexposed; curves "
        "that lie apart in one channel are a colour cast."
    )
    return ReportFigure("colours", "Colours", caption, plotting.render_png(figure))
