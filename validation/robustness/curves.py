"""The figure of a detector's robustness: a panel for each family of distortions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from runtime import plotting
from validation.robustness.distortions import DISTORTIONS
from validation.robustness.robustness import DistortionResult

CURVE_STYLES = {
    "tpr": {
        "label": "generated images found (TPR)",
        "color": plotting.CLASS_COLOURS["generated"],
        "linestyle": plotting.CLASS_LINE_STYLES["generated"],
    },
    "fpr": {
        "label": "photographs called generated (FPR)",
        "color": plotting.CLASS_COLOURS["real"],
        "linestyle": plotting.CLASS_LINE_STYLES["real"],
    },
    "auc": {"label": "ROC AUC", "color": "0.25", "linestyle": "-"},
}
CURVE_MARKERS = {"tpr": "s", "fpr": "o", "auc": ""}
CURVE_OFFSETS = {"tpr": -0.12, "fpr": 0.0, "auc": 0.12}
DISTORTION_BY_NAME = {each.name: each for each in DISTORTIONS}


def plot_robustness_curves(rows: Sequence[DistortionResult]) -> bytes:
    """TPR and FPR at the frozen threshold, with their intervals, and the AUC: a panel for each
    family of distortions; PNG.

    Families of fewer than three values share the last panel, as points.
    """
    from matplotlib.figure import Figure

    panels = _group_into_panels(rows)
    down = -(-len(panels) // 3)
    figure = Figure(figsize=(10, 0.5 + 2.5 * down), dpi=150, layout="constrained")
    grid = figure.add_gridspec(down, 3)
    every = []
    for place, panel in enumerate(panels):
        row, column = divmod(place, 3)
        last = place == len(panels) - 1  # it has the long names, and what is left of the row
        every.append(figure.add_subplot(grid[row, column : 3 if last else column + 1]))
        every[-1].tick_params(labelleft=column == 0)
        _plot_panel(every[-1], panel)
    figure.legend(
        *every[0].get_legend_handles_labels(),
        loc="outside upper center",
        ncols=3,
        frameon=False,
        fontsize=10,
    )
    return plotting.render_png(figure)


@dataclass(frozen=True)
class _FamilyPanel:
    title: str
    axis: str
    rows: list[DistortionResult]
    ticks: list[str]
    line: bool = True


def _group_into_panels(rows: Sequence[DistortionResult]) -> list[_FamilyPanel]:
    clean, *others = rows
    families = {
        row.family: [each for each in others if each.family == row.family] for row in others
    }
    panels, few = [], []
    for family, mine in families.items():
        if len(mine) < 3:
            few += mine
            continue
        place = sum(DISTORTION_BY_NAME[row.name].opposite for row in mine)
        ordered = [*mine[:place], clean, *mine[place:]]
        panels.append(
            _FamilyPanel(
                family,
                DISTORTION_BY_NAME[mine[0].name].axis,
                ordered,
                [row.value or "none" for row in ordered],
            )
        )
    ticks = [f"{row.family}\n{row.value}".replace(" ", "\n", 1).strip() for row in (clean, *few)]
    return (
        [*panels, _FamilyPanel("histories", "", [clean, *few], ticks, line=False)]
        if few
        else panels
    )


def _plot_panel(axes, panel: _FamilyPanel) -> None:
    x = np.arange(len(panel.rows))
    for name, look in CURVE_STYLES.items():
        value, low, high = np.array(
            [[e.value, e.low, e.high] for e in (getattr(row, name) for row in panel.rows)]
        ).T
        thin = name == "auc"
        if panel.line:
            axes.plot(
                x,
                value,
                marker=CURVE_MARKERS[name],
                markersize=4,
                linewidth=0.9 if thin else 1.6,
                **look,
            )
            if not thin:
                axes.fill_between(x, low, high, color=look["color"], alpha=0.15, linewidth=0)
        else:
            bars = np.clip([value - low, high - value], 0, None)
            axes.errorbar(
                x + CURVE_OFFSETS[name],
                value,
                bars,
                fmt=CURVE_MARKERS[name] or "_",
                markersize=4,
                color=look["color"],
                elinewidth=1,
            )
    axes.set_title(panel.title, fontsize=10, loc="left")
    axes.set_xlabel(panel.axis, fontsize=9)
    axes.set(ylim=(-0.03, 1.03), xticks=x, xticklabels=panel.ticks)
    axes.tick_params(labelsize=8)
    axes.grid(axis="y", color="0.92")
    axes.spines[["top", "right"]].set_visible(False)
