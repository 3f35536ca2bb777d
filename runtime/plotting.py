"""Shared parts of figures: class colours, panels, histograms, image grids, PNG rendering."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

CLASS_COLOURS = {"real": "#0072b2", "generated": "#d55e00"}
"""Distinct for every kind of colour vision (Okabe and Ito); in grey, by the line styles."""
CLASS_LINE_STYLES = {"real": "-", "generated": (0, (4, 1.5))}


@dataclass(frozen=True)
class ReportFigure:
    """One figure of a report.

    Attributes:
        name: "faces-real", "brightness", ...; the same for every data set.
        caption: how to read the figure, in sentences.
        png: the file's bytes; transparent between faces, white behind curves.
    """

    name: str
    title: str
    caption: str
    png: bytes


def create_panels(count: int = 1, height: float = 2.9):
    """Create a figure without pyplot, whose global state is unsafe in threads and notebooks."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.8, height), dpi=150, layout="constrained")
    panels = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9)
    return figure, panels


def draw_histograms(axes, values_by_label: Mapping[str, Sequence[float]], bins: np.ndarray) -> None:
    from matplotlib.colors import to_rgba

    for label, values in values_by_label.items():
        axes.hist(
            values,
            bins,
            weights=np.full(len(values), 100 / max(1, len(values))),
            linestyle=CLASS_LINE_STYLES[label],
            linewidth=1.6,
            label=f"{label} ({len(values)})",
            histtype="stepfilled",
            facecolor=to_rgba(CLASS_COLOURS[label], 0.22),
            edgecolor=CLASS_COLOURS[label],
        )
    axes.set_ylabel("share of class, %")


def render_png(figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def compose_image_grid(
    rows: Sequence[Sequence[Image.Image]], side: int, gap: int = 4
) -> Image.Image:
    """Compose rows of small images on a transparent background."""
    step = side + gap
    size = (max(map(len, rows)) * step - gap, len(rows) * step - gap)
    grid = Image.new("RGBA", size, (255, 255, 255, 0))
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            cell = image.resize((side, side), Image.Resampling.LANCZOS)
            grid.paste(cell, (x * step, y * step))
    return grid


SERIES_COLOURS = (
    "#1d2126",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#8c6d1f",
    "#0072b2",
    "#d55e00",
)
"""One per detector or source (Okabe and Ito's, distinct for every kind of colour vision)."""
