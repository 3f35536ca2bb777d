"""Cost of an answer beside its accuracy: parameters, megabytes and milliseconds of
every ONNX file of a card."""

import io
import math
import statistics
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from runtime import console
from training import onnx_models
from training.detectors.card import Card
from training.detectors.card_fields import InferenceCost

COST_FIGURE_FILE = "accuracy-latency.png"

MIN_TIMED_RUNS, MAX_TIMED_RUNS, TIMING_BUDGET_S = 5, 50, 0.5
"""Images that a time is the median of: as many as half a second holds, within these limits."""


def measure_cost(path: Path) -> InferenceCost:
    """Counts, weighs and times an ONNX detector."""
    import onnx

    graph = onnx.load(str(path)).graph
    parameters = sum(math.prod(values.dims) for values in graph.initializer)
    shape = [
        1,
        *(dimension.dim_value for dimension in graph.input[0].type.tensor_type.shape.dim[1:]),
    ]
    return InferenceCost(
        parameters,
        path.stat().st_size / 1e6,
        _measure_latency_ms(onnx_models.open_onnx(path), shape),
    )


def _measure_latency_ms(run: onnx_models.OnnxRunner, shape: list[int]) -> float:
    pixels = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    run(pixels)  # ONNX Runtime plans its memory with the first image
    times: list[float] = []
    while len(times) < MIN_TIMED_RUNS or (
        len(times) < MAX_TIMED_RUNS and sum(times) < TIMING_BUDGET_S
    ):
        start = time.perf_counter()
        run(pixels)
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def rank_costs(card: Card) -> dict[str, tuple[float, InferenceCost]]:
    """Validation AUC and cost of the detector and of those of its baselines that have a file, the
    most accurate first."""
    rows = {card.name: (card.metrics.auc, card.cost)} if card.cost else {}
    for name, baseline in card.baselines.items():
        if baseline.cost:
            rows[name] = baseline.metrics.auc, baseline.cost
    return dict(sorted(rows.items(), key=lambda row: -row[1][0]))


def print_cost_table(card: Card) -> None:
    rows = [
        [
            name,
            f"{auc:.4f}",
            f"{cost.parameters:,}",
            f"{cost.megabytes:.1f}",
            f"{cost.milliseconds:.2f}",
        ]
        for name, (auc, cost) in rank_costs(card).items()
    ]
    console.print_table(
        "Accuracy and what it costs",
        ["detector", "val AUC", "parameters", "MB", "ms an image"],
        rows,
    )


def find_pareto_front(rows: Mapping[str, tuple[float, InferenceCost]]) -> list[str]:
    """The names that no other beats in both accuracy and time, the fastest first."""
    best, found = -math.inf, []
    for name, (auc, _) in sorted(
        rows.items(), key=lambda row: (row[1][1].milliseconds, -row[1][0])
    ):
        if auc > best:
            best = auc
            found.append(name)
    return found


def plot_costs(rows: Mapping[str, tuple[float, InferenceCost]]) -> bytes:
    """Accuracy over time for one image, and the front of what nothing else beats; PNG."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(9, 5), layout="constrained")
    axes = drawing.subplots()
    ahead = [(rows[name][1].milliseconds, rows[name][0]) for name in find_pareto_front(rows)]
    axes.plot(
        *zip(*ahead, strict=True),
        color="0.6",
        drawstyle="steps-post",
        zorder=1,
        label="nothing is faster and better",
    )
    for number, (name, (auc, cost)) in enumerate(rows.items()):
        axes.scatter(
            cost.milliseconds,
            auc,
            color=f"C{number % 10}",
            marker="os^Dv"[number // 10 % 5],
            label=name,
            zorder=2,
        )
    axes.set(
        xscale="log",
        xlabel="ms for one image",
        ylabel="validation AUC",
        title="Accuracy and what it costs",
    )
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:.3g}")
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
