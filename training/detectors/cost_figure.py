"""accuracy-latency.png: validation AUC over latency, with the Pareto front."""

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from runtime.plotting import SERIES_COLOURS, render_png
from training.detectors.card_fields import InferenceCost
from training.detectors.costs import find_pareto_front

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

COST_FIGURE_FILE = "accuracy-latency.png"

DETECTOR_COLOUR, BASELINE_COLOUR, FRONT_COLOUR = SERIES_COLOURS[7], SERIES_COLOURS[6], "0.65"

LABEL_GAP_PT = 5
LABEL_STEP_PT = 10
MAX_LABEL_STEPS = 12


def plot_costs(rows: Mapping[str, tuple[float, InferenceCost]], detector: str) -> bytes:
    """Plot AUC over latency as PNG.

    Args:
        rows: AUC and cost by name.
        detector: the name that stands out.
    """
    return render_png(draw_costs(rows, detector))


def draw_costs(rows: Mapping[str, tuple[float, InferenceCost]], detector: str) -> "Figure":
    """Draw the figure of `plot_costs`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.8), dpi=150, layout="constrained")
    axes = figure.subplots()
    points = {name: (cost.milliseconds, auc) for name, (auc, cost) in rows.items()}
    _set_axes(axes, list(points.values()))
    front = find_pareto_front(rows)
    _draw_front(axes, [points[name] for name in front])
    for name, point in points.items():
        colour = DETECTOR_COLOUR if name == detector else BASELINE_COLOUR
        face = colour if name in front else "white"
        axes.plot(*point, "o", color=colour, markerfacecolor=face, clip_on=False, zorder=3)
    axes.set_title("Validation AUC and time for an image", fontsize=11, loc="left", pad=24)
    axes.legend(loc="lower right", frameon=False, fontsize=8)
    figure.draw_without_rendering()  # labels are placed where the layout has put the points
    figure.set_layout_engine("none")
    _label_points(axes, points, detector)
    return figure


def _set_axes(axes: "Axes", points: Sequence[tuple[float, float]]) -> None:
    """Set limits and ticks: a power of ten, its double and its fivefold; no AUC above 1."""
    from matplotlib.ticker import LogLocator, NullFormatter

    latencies, aucs = zip(*points, strict=True)
    margin = max(0.06 * (max(aucs) - min(aucs)), 0.01)
    axes.set_xscale("log")
    axes.set_xlim(min(latencies) / 1.6, max(latencies) * 1.6)
    axes.set_ylim(min(aucs) - margin, min(max(aucs) + margin, 1.0))
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="ms for one image, on a logarithmic scale", ylabel="validation AUC")
    axes.tick_params(labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_front(axes: "Axes", front: Sequence[tuple[float, float]]) -> None:
    """Draw the steps of the front, from the lower edge to the right one."""
    x, y = zip(*front, strict=True)
    axes.plot(
        [x[0], *x, axes.get_xlim()[1]],
        [axes.get_ylim()[0], *y, y[-1]],
        color=FRONT_COLOUR,
        drawstyle="steps-post",
        zorder=1,
        clip_on=False,
        label="Pareto front: nothing is faster and better",
    )


def _label_points(axes: "Axes", points: Mapping[str, tuple[float, float]], detector: str) -> None:
    """Write each name beside its point, where it covers no other name or point."""
    from matplotlib.transforms import Bbox

    to_pixels = axes.transData.transform
    points = dict(sorted(points.items(), key=lambda row: row[1]))
    taken = [Bbox.from_bounds(x - 8, y - 8, 16, 16) for x, y in map(to_pixels, points.values())]
    taken.append(axes.get_legend().get_window_extent())
    corners = to_pixels(np.column_stack(axes.get_lines()[0].get_data()))  # of the front
    for (x, y), (next_x, next_y) in itertools.pairwise(corners):
        taken += [
            Bbox([[x, y - 1], [next_x, y + 1]]),
            Bbox([[next_x - 1, y], [next_x + 1, next_y]]),
        ]
    for name, point in points.items():
        taken.append(_place_label(axes, name, point, taken, bold=name == detector))


def _place_label(
    axes: "Axes", name: str, point: tuple[float, float], taken: Sequence["Bbox"], *, bold: bool
) -> "Bbox":
    """Write a name as near to its point as there is room, and return the box that it fills."""
    from matplotlib.text import Text

    page = axes.figure.bbox
    for step in range(1, MAX_LABEL_STEPS + 1):
        for side, up in ((1, 1), (-1, 1), (1, -1), (-1, -1)):
            label = axes.annotate(
                name,
                point,
                xytext=(side * LABEL_GAP_PT * step**0.5, up * step * LABEL_STEP_PT),
                textcoords="offset points",
                ha="left" if side == 1 else "right",
                va="center",
                fontsize=8,
                fontweight="bold" if bold else "normal",
                arrowprops={"arrowstyle": "-", "color": "0.6", "linewidth": 0.5, "shrinkA": 0},
            )
            label.get_window_extent()  # places it; this box would hold the line, too
            box = Text.get_window_extent(label)
            is_inside = axes.bbox.x0 <= box.x0 and box.x1 <= page.x1 and box.y0 > axes.bbox.y0
            if is_inside and box.y1 <= page.y1 and not any(map(box.overlaps, taken)):
                return box
            label.remove()
    return Text.get_window_extent(axes.annotate(name, point, fontsize=8))
