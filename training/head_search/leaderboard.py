"""The best trials and the baselines in one table, on the same validation images.

Heads are ranked over all views of them, as they were trained; baselines are scored on view 0, as they were trained.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from runtime import atomic_files, console
from training.baselines.linear import Baseline
from training.calibration import compute_cross_entropy, compute_scores, convert_to_logits
from training.fitting import LABEL_SMOOTHING, smooth_labels
from training.head_search import head_spec
from training.head_search.head_spec import HeadTrial

MAX_HEADS_SHOWN = 10
"""Heads that the printed table shows; every trial is in the model's leaderboard.jsonl."""


def print_leaderboard(
    trials: Sequence[HeadTrial], rivals: Sequence[Baseline], labels: np.ndarray
) -> None:
    """Prints the best heads and the baselines, ranked by validation loss."""
    heads = deduplicate_trials(trials)
    rows = [(trial.loss, _format_head(trial)) for trial in heads[:MAX_HEADS_SHOWN]]
    rows += [
        (compute_smoothed_loss(rival, labels), _format_baseline(rival, labels)) for rival in rivals
    ]
    console.print_table(
        f"Leaderboard on {len(labels)} validation images ({len(trials)} trials of {len(heads)} heads)",
        [
            "head",
            "dropout",
            "decay",
            "rate",
            "epochs",
            "val AUC",
            f"val loss (smoothing {LABEL_SMOOTHING})",
        ],
        [[*cells, f"{loss:.4f}"] for loss, cells in sorted(rows)],
    )


def deduplicate_trials(trials: Sequence[HeadTrial]) -> list[HeadTrial]:
    """The trials without repetition, the best first: a head that Hyperband carried on counts once."""
    best: dict[tuple, HeadTrial] = {}
    for trial in sorted(trials, key=lambda trial: trial.loss):
        best.setdefault(_get_trial_identity(trial), trial)
    return list(best.values())


def _get_trial_identity(trial: HeadTrial) -> tuple:
    return tuple(
        sorted(
            (name, value) for name, value in trial.values.items() if not name.startswith("tuner/")
        )
    )


def _format_head(trial: HeadTrial) -> list[str]:
    values = trial.values
    numbers = [
        f"{values['dropout']:.1f}",
        f"{values['weight_decay']:.0e}",
        f"{values['learning_rate']:.0e}",
    ]
    return [head_spec.describe_head_spec(values), *numbers, str(trial.epochs), f"{trial.auc:.4f}"]


def _format_baseline(rival: Baseline, labels: np.ndarray) -> list[str]:
    return [
        f"baseline: {rival.name}",
        "",
        "",
        "",
        "",
        f"{compute_scores(rival.probabilities, labels)['auc']:.4f}",
    ]


def compute_smoothed_loss(rival: Baseline, labels: np.ndarray) -> float:
    """The loss that heads are ranked by, for a baseline."""
    return compute_cross_entropy(convert_to_logits(rival.probabilities), smooth_labels(labels))


def write_leaderboard(path: Path, trials: list[HeadTrial]) -> None:
    """Writes the whole leaderboard as JSON lines."""
    lines = [
        json.dumps(
            {**trial.values, "val_loss": trial.loss, "val_auc": trial.auc, "epochs": trial.epochs}
        )
        for trial in trials
    ]
    atomic_files.write_atomically(path, ("\n".join(lines) + "\n").encode())
