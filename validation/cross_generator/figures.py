"""AUC heat map for TensorBoard; the page makes its own from table cells."""

from collections.abc import Sequence

import numpy as np

from runtime import plotting
from validation.cross_generator.head_results import HeadOutcome


def plot_auc_heat_map(rows: Sequence[HeadOutcome]) -> bytes:
    """Plot the AUC of every cell, from purple (0) over white (.5) to green (1); return a PNG."""
    from matplotlib.figure import Figure

    values = np.array([[cell.auc.value for cell in row.cells] for row in rows])
    columns = [" and ".join(cell.tested_on) for cell in rows[0].cells]
    figure = Figure(
        figsize=(2.4 + 1.1 * len(columns), 1.6 + 0.7 * len(rows)), dpi=130, layout="constrained"
    )
    axes = figure.subplots()
    axes.imshow(values, cmap="PRGn", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=20, ha="right")
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.set(xlabel="tested on", ylabel="trained on", title="AUC")
    for down, row in enumerate(rows):
        for right, cell in enumerate(row.cells):
            strong = cell.auc.value < 0.1 or cell.auc.value > 0.9
            text = "n/a" if np.isnan(cell.auc.value) else f"{cell.auc.value:.3f}"
            weight = "bold" if cell.seen else "normal"
            axes.text(
                right,
                down,
                text,
                ha="center",
                va="center",
                color="white" if strong else "black",
                weight=weight,
            )
    return plotting.render_png(figure)
