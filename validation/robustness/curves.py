"""Plot a detector's robustness: a panel for each family of distortions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from runtime import plotting
from validation.robustness.distortions import DISTORTIONS
from validation.robustness.robustness import DistortionResult

CURVE_STYLES = {
    "found": {
        "label": "generated images called generated",
        "color": plotting.CLASS_COLOURS["generated"],
        "linestyle": plotting.CLASS_LINE_STYLES["generated"],
    },
    "false_alarms": {
        "label": "photographs called generated",
        "color": plotting.CLASS_COLOURS["real"],
        "linestyle": plotting.CLASS_LINE_STYLES["real"],
    },
    "auc": {"label": "ROC AUC", "color": "0.25", "linestyle": "-"},
}
CURVE_MARKERS = {"found": "s", "false_alarms": "o", "auc": ""}
CURVE_OFFSETS = {"found": -0.12, "false_alarms": 0.0, "auc": 0.12}
DISTORTION_BY_NAME = {distortion.name: distortion for distortion in DISTORTIONS}
MIN_CURVE_POINTS = 3
"""Families with fewer values share the last panel, as points."""


def plot_robustness_curves(results: Sequence[DistortionResult]) -> bytes:
    """Plot the shares called generated with their intervals, and the AUC; return a PNG.

    Args:
        results: the undistorted one first.
    """
    from matplotlib.figure import Figure

    panels = _group_into_panels(results)
    n_rows = -(-len(panels) // 3)
    figure = Figure(figsize=(10, 0.5 + 2.5 * n_rows), dpi=150, layout="constrained")
    grid = figure.add_gridspec(n_rows, 3)
    all_axes = []
    for index, panel in enumerate(panels):
        row, column = divmod(index, 3)
        is_last = index == len(panels) - 1  # long names: it takes the rest of its row
        axes = figure.add_subplot(grid[row, column : 3 if is_last else column + 1])
        axes.tick_params(labelleft=column == 0)
        _plot_panel(axes, panel)
        all_axes.append(axes)
    figure.legend(
        *all_axes[0].get_legend_handles_labels(),
        loc="outside upper center",
        ncols=3,
        frameon=False,
        fontsize=10,
    )
    return plotting.render_png(figure)


@dataclass(frozen=True, kw_only=True)
class _FamilyPanel:
    title: str
    axis: str
    results: list[DistortionResult]
    ticks: list[str]
    is_curve: bool = True


def _group_into_panels(results: Sequence[DistortionResult]) -> list[_FamilyPanel]:
    undistorted, *distorted = results
    families: dict[str, list[DistortionResult]] = {}
    for result in distorted:
        families.setdefault(result.family, []).append(result)
    panels, points = [], [undistorted]
    for family, members in families.items():
        if len(members) < MIN_CURVE_POINTS:
            points += members
            continue
        n_opposite = sum(DISTORTION_BY_NAME[result.name].opposite for result in members)
        ordered = [*members[:n_opposite], undistorted, *members[n_opposite:]]
        panels.append(
            _FamilyPanel(
                title=family,
                axis=DISTORTION_BY_NAME[members[0].name].axis,
                results=ordered,
                ticks=[result.value or "none" for result in ordered],
            )
        )
    if len(points) > 1:
        ticks = [
            f"{result.family}\n{result.value}".replace(" ", "\n", 1).strip() for result in points
        ]
        panels.append(
            _FamilyPanel(title="histories", axis="", results=points, ticks=ticks, is_curve=False)
        )
    return panels


def _plot_panel(axes, panel: _FamilyPanel) -> None:
    x = np.arange(len(panel.results))
    for name, style in CURVE_STYLES.items():
        estimates = [getattr(result, name) for result in panel.results]
        value, low, high = np.array([[row.value, row.low, row.high] for row in estimates]).T
        thin = name == "auc"
        if panel.is_curve:
            axes.plot(
                x,
                value,
                marker=CURVE_MARKERS[name],
                markersize=4,
                linewidth=0.9 if thin else 1.6,
                **style,
            )
            if not thin:
                axes.fill_between(x, low, high, color=style["color"], alpha=0.15, linewidth=0)
        else:
            bars = np.clip([value - low, high - value], 0, None)
            axes.errorbar(
                x + CURVE_OFFSETS[name],
                value,
                bars,
                fmt=CURVE_MARKERS[name] or "_",
                markersize=4,
                color=style["color"],
                elinewidth=1,
            )
    axes.set_title(panel.title, fontsize=10, loc="left")
    axes.set_xlabel(panel.axis, fontsize=9)
    axes.set(ylim=(-0.03, 1.03), xticks=x, xticklabels=panel.ticks)
    axes.tick_params(labelsize=8)
    axes.grid(axis="y", color="0.92")
    axes.spines[["top", "right"]].set_visible(False)
