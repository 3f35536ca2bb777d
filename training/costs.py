"""What an answer costs beside what it is worth: numbers to keep, megabytes and milliseconds of every ONNX file of a card."""

import io
import math
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_collection import console
from training import onnx_files
from training.saved_models import Card

PICTURE = "accuracy-latency.png"

LEAST, MOST, SECONDS = 5, 50, 0.5
"""Images that a time is the median of: as many as half a second holds, within these limits."""


@dataclass(frozen=True)
class Cost:
    """Of one ONNX file.

    Attributes:
        parameters: numbers in it, those of the resize and the preprocessing included.
        megabytes: of the file.
        milliseconds: for one image alone, with all cores of the machine that trained; the median.
    """

    parameters: int
    megabytes: float
    milliseconds: float


def measure(path: Path) -> Cost:
    """Counts, weighs and times an ONNX detector."""
    import onnx

    graph = onnx.load(str(path)).graph
    parameters = sum(math.prod(values.dims) for values in graph.initializer)
    shape = [1, *(dimension.dim_value for dimension in graph.input[0].type.tensor_type.shape.dim[1:])]
    return Cost(parameters, path.stat().st_size / 1e6, _milliseconds(onnx_files.runner(path), shape))


def _milliseconds(run: onnx_files.Runner, shape: list[int]) -> float:
    pixels = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    run(pixels)  # ONNX Runtime plans its memory with the first image
    times: list[float] = []
    while len(times) < LEAST or (len(times) < MOST and sum(times) < SECONDS):
        start = time.perf_counter()
        run(pixels)
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def priced(card: Card) -> dict[str, tuple[float, Cost]]:
    """Validation AUC and cost of the detector and of those of its baselines that have a file, the most accurate first."""
    rows = {card.name: (card.metrics["auc"], Cost(**card.cost))} if card.cost else {}
    for name, rival in card.baselines.items():
        if rival.get("cost"):
            rows[name] = rival["metrics"]["auc"], Cost(**rival["cost"])
    return dict(sorted(rows.items(), key=lambda row: -row[1][0]))


def show(card: Card) -> None:
    rows = [
        [name, f"{auc:.4f}", f"{cost.parameters:,}", f"{cost.megabytes:.1f}", f"{cost.milliseconds:.2f}"]
        for name, (auc, cost) in priced(card).items()
    ]
    console.table("Accuracy and what it costs", ["detector", "val AUC", "parameters", "MB", "ms an image"], rows)


def front(rows: Mapping[str, tuple[float, Cost]]) -> list[str]:
    """The names that no other beats in both accuracy and time, the fastest first."""
    best, found = -math.inf, []
    for name, (auc, _) in sorted(rows.items(), key=lambda row: (row[1][1].milliseconds, -row[1][0])):
        if auc > best:
            best = auc
            found.append(name)
    return found


def figure(rows: Mapping[str, tuple[float, Cost]]) -> bytes:
    """Accuracy over time for one image, and the front of what nothing else beats; PNG."""
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(9, 5), layout="constrained")
    axes = drawing.subplots()
    ahead = [(rows[name][1].milliseconds, rows[name][0]) for name in front(rows)]
    axes.plot(*zip(*ahead, strict=True), color="0.6", drawstyle="steps-post", zorder=1, label="nothing is faster and better")
    for number, (name, (auc, cost)) in enumerate(rows.items()):
        axes.scatter(cost.milliseconds, auc, color=f"C{number % 10}", marker="os^Dv"[number // 10 % 5], label=name, zorder=2)
    axes.set(xscale="log", xlabel="ms for one image", ylabel="validation AUC", title="Accuracy and what it costs")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:.3g}")
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
