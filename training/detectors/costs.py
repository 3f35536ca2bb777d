"""Compare the accuracy of a card's ONNX files with their parameters, megabytes and milliseconds."""

import math
import statistics
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from runtime import console
from training.detectors.card import Card
from training.detectors.card_fields import InferenceCost
from training.onnx_files import onnx_models

MIN_TIMED_RUNS, MAX_TIMED_RUNS, TIMING_BUDGET_S = 5, 50, 0.5
"""A latency is the median of as many runs as fit into the budget, within these limits."""


def measure_cost(path: Path) -> InferenceCost:
    """Return parameters, file size and latency of an ONNX detector."""
    import onnx

    graph = onnx.load(str(path)).graph
    parameters = sum(math.prod(values.dims) for values in graph.initializer)
    dimensions = graph.input[0].type.tensor_type.shape.dim
    shape = [1, *(dimension.dim_value for dimension in dimensions[1:])]
    return InferenceCost(
        parameters=parameters,
        megabytes=path.stat().st_size / 1e6,
        milliseconds=_measure_latency_ms(onnx_models.open_onnx(path), shape),
    )


def _measure_latency_ms(run: onnx_models.OnnxRunner, shape: list[int]) -> float:
    pixels = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    run(pixels)  # ONNX Runtime plans its memory at the first image
    times: list[float] = []
    while len(times) < MIN_TIMED_RUNS or (
        len(times) < MAX_TIMED_RUNS and sum(times) < TIMING_BUDGET_S
    ):
        start = time.perf_counter()
        run(pixels)
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def rank_costs(card: Card) -> dict[str, tuple[float, InferenceCost]]:
    """Return validation AUC and cost of the detector and of its baselines, by name, best AUC first.

    Baselines without a file are left out.
    """
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
        "Accuracy and cost",
        ["detector", "val AUC", "parameters", "MB", "ms per image"],
        rows,
    )


def find_pareto_front(rows: Mapping[str, tuple[float, InferenceCost]]) -> list[str]:
    """Return the names that no other beats in both AUC and latency, fastest first."""
    best_auc, front = -math.inf, []
    for name, (auc, _) in sorted(
        rows.items(), key=lambda row: (row[1][1].milliseconds, -row[1][0])
    ):
        if auc > best_auc:
            best_auc = auc
            front.append(name)
    return front
