"""Draw docs/generalisation.png from the tables of docs/generalisation-tables.md:
`python -m benchmarks.studies.generalisation.dot_plot`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime import atomic_files, console, plotting

DOCS_FOLDER = Path(__file__).parents[3] / "docs"
TABLES_FILE = "generalisation-tables.md"
PLOT_FILE = "generalisation.png"

ROW_NAMES = {
    "logistic regression, all taps of the picture, 224 px": "start: logistic regression, 224 px",
    "+ lower half of the base": "start + lower half of the base",
    "+ one output per generator": "start + one output per generator",
    "+ penalty 10 times as strong": "start + strong penalty",
    "+ 448 px": "start + 448 px",
    "residual, lower half, 320 px": "residual, lower half, 320 px, face crops",
    "the last four blocks unfrozen, face crops": "four blocks unfrozen, face crops",
    "the search, the centre square": "search",
    "the search, face crops, picture and residual": "search, face crops, both signals",
    "the search, face crops, residual": "search, face crops, residual (recommended)",
}
"""Recipes of the plot, from top to bottom, and their names in it."""

AUC_PANEL = re.compile(r"(.*) left out")
FALSE_ALARM_PANEL = re.compile(r"false alarms, (.*) left out")
ESTIMATE = re.compile(r"([\d.]+) \(([\d.]+) to ([\d.]+)\)")
AUC_COLOUR = plotting.CLASS_COLOURS["generated"]
FALSE_ALARM_COLOUR = plotting.CLASS_COLOURS["real"]
CHANCE_AUC = 0.5
TARGET_FALSE_ALARMS = 0.05


@dataclass(frozen=True)
class Panel:
    """One measure of every recipe: value, lower and upper end of its interval, by recipe."""

    title: str
    colour: str
    reference: float
    limits: tuple[float, float]
    estimates: Mapping[str, tuple[float, float, float]]


def read_table_rows(text: str) -> dict[str, dict[str, str]]:
    """Return the cells of each recipe by column, of all tables whose first column is "recipe"
    and whose recipe was not in an earlier one."""
    rows: dict[str, dict[str, str]] = {}
    headings: list[str] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if not line.startswith("| "):
            headings = []
        elif not headings:
            headings = cells
        elif headings[0] == "recipe" and not cells[0].startswith("---"):
            rows.setdefault(cells[0], dict(zip(headings, cells, strict=True)))
    return rows


def read_panels(text: str) -> list[Panel]:
    """Return the panels of the plot: the AUCs of generators left out, then the false alarms on
    photographs left out.

    Raises:
        KeyError: the tables lack a recipe of the plot.
    """
    rows = {name: read_table_rows(text)[name] for name in ROW_NAMES}
    panels = []
    for heading in next(iter(rows.values())):
        alarms, auc = FALSE_ALARM_PANEL.fullmatch(heading), AUC_PANEL.fullmatch(heading)
        if not (alarms or auc):
            continue
        estimates = {name: read_estimate(row[heading]) for name, row in rows.items()}
        title = f"{alarms[1]} photographs" if alarms else auc[1]
        look = (
            (FALSE_ALARM_COLOUR, TARGET_FALSE_ALARMS, (-0.02, 0.55))
            if alarms
            else (AUC_COLOUR, CHANCE_AUC, (0.28, 1.02))
        )
        panels.append(Panel(title, *look, estimates))
    return panels


def read_estimate(cell: str) -> tuple[float, float, float]:
    value, low, high = map(float, ESTIMATE.fullmatch(cell).groups())
    return value, low, high


def render_plot(panels: Sequence[Panel]) -> bytes:
    """Return the plot as PNG: a row for each recipe, a column for each source left out."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.6), dpi=150, layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), sharey=True), panels, strict=True):
        _draw_panel(axes, panel)
    axes.set_ylim(len(ROW_NAMES) - 0.5, -0.5)
    figure.suptitle(
        "AUC of a generator left out of training (orange; dotted: chance level), and share of "
        "photographs left out\nthat are called generated (blue; dotted: the 5% asked for); "
        "lines are 95% intervals",
        fontsize=10,
    )
    return plotting.render_png(figure)


def _draw_panel(axes, panel: Panel) -> None:
    for index, (value, low, high) in enumerate(panel.estimates.values()):
        axes.plot([low, high], [index, index], color=panel.colour, linewidth=1.6, alpha=0.55)
        axes.plot(value, index, "o", color=panel.colour, markersize=6)
    axes.axvline(panel.reference, color="0.35", linestyle=":", linewidth=1.2)
    axes.set_title(panel.title, fontsize=9.5)
    axes.set_xlim(panel.limits)
    axes.set_yticks(range(len(ROW_NAMES)), list(ROW_NAMES.values()))
    axes.tick_params(labelsize=8.5, length=0)
    axes.grid(axis="x", color="0.92")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)


def draw_plot(docs: Path = DOCS_FOLDER) -> None:
    """Write generalisation.png beside the tables in `docs`."""
    panels = read_panels((docs / TABLES_FILE).read_text())
    atomic_files.write_atomically(docs / PLOT_FILE, render_plot(panels))


if __name__ == "__main__":
    console.run_command(draw_plot)
