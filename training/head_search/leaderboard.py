"""Rank the trials of a search and the baselines in one table, on the same validation images.

Heads are ranked over all views, as they were trained; baselines on view 0, as they were trained.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from runtime import atomic_files, console
from training.baselines.linear import Baseline
from training.calibration import compute_scores
from training.fitting import LABEL_SMOOTHING
from training.gain_test import compute_image_losses
from training.head_search.head_spec import HeadSpec, HeadTrial

MAX_HEADS_SHOWN = 10
"""Heads in the printed table; leaderboard.jsonl holds every trial."""


def print_leaderboard(
    trials: Sequence[HeadTrial], baselines: Sequence[Baseline], labels: np.ndarray
) -> None:
    """Print the best heads and the baselines, ranked by validation loss."""
    heads = deduplicate_trials(trials)
    rows = [(trial.loss, _format_head(trial)) for trial in heads[:MAX_HEADS_SHOWN]]
    rows += [
        (
            float(compute_image_losses(baseline.probabilities, labels).mean()),
            _format_baseline(baseline, labels),
        )
        for baseline in baselines
    ]
    console.print_table(
        f"Leaderboard on {len(labels)} validation images "
        f"({len(trials)} trials of {len(heads)} heads)",
        [
            "head",
            "dropout",
            "weight decay",
            "learning rate",
            "epochs",
            "val AUC",
            f"val loss (smoothing {LABEL_SMOOTHING})",
        ],
        [[*cells, f"{loss:.4f}"] for loss, cells in sorted(rows)],
    )


def deduplicate_trials(trials: Sequence[HeadTrial]) -> list[HeadTrial]:
    """Return the best trial of every head, best first: Hyperband trains a head several times."""
    best: dict[HeadSpec, HeadTrial] = {}
    for trial in sorted(trials, key=lambda trial: trial.loss):
        best.setdefault(trial.spec, trial)
    return list(best.values())


def _format_head(trial: HeadTrial) -> list[str]:
    spec = trial.spec
    return [
        spec.describe(),
        f"{spec.dropout:.1f}",
        f"{spec.weight_decay:.0e}",
        f"{spec.learning_rate:.0e}",
        str(trial.epochs),
        f"{trial.auc:.4f}",
    ]


def _format_baseline(baseline: Baseline, labels: np.ndarray) -> list[str]:
    auc = compute_scores(baseline.probabilities, labels).auc
    return [f"baseline: {baseline.name}", "", "", "", "", f"{auc:.4f}"]


def write_leaderboard(path: Path, trials: Sequence[HeadTrial]) -> None:
    """Write all trials as JSON lines."""
    lines = [json.dumps(trial.to_row()) for trial in trials]
    atomic_files.write_atomically(path, ("\n".join(lines) + "\n").encode())
