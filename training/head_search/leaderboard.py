"""Show the trials of a search, best first: scored over all training views."""

import json
from collections.abc import Sequence
from pathlib import Path

from runtime import atomic_files, console
from training.fitting import LABEL_SMOOTHING
from training.head_search.head_spec import HeadSpec, HeadTrial

MAX_HEADS_SHOWN = 10
"""Heads in the printed table; leaderboard.jsonl holds every trial."""


def print_trials(trials: Sequence[HeadTrial]) -> None:
    """Print the best heads of the search."""
    heads = deduplicate_trials(trials)
    console.print_table(
        f"Trials of the search ({len(trials)} trials of {len(heads)} heads)",
        [
            f"val loss (smoothing {LABEL_SMOOTHING})",
            "val AUC",
            "epochs",
            "dropout",
            "weight decay",
            "learning rate",
            "L2 penalty",
            "head",
        ],
        [_format_head(trial) for trial in heads[:MAX_HEADS_SHOWN]],
    )


def deduplicate_trials(trials: Sequence[HeadTrial]) -> list[HeadTrial]:
    """Return the best trial of every head: Hyperband trains a head several times.

    Args:
        trials: best first.
    """
    best: dict[HeadSpec, HeadTrial] = {}
    for trial in trials:
        best.setdefault(trial.spec, trial)
    return list(best.values())


def sort_trials(trials: Sequence[HeadTrial]) -> list[HeadTrial]:
    """Return the trials of several searches, best first by what each search ranks them by."""
    return sorted(trials, key=lambda trial: -trial.auc if trial.spec.is_logistic else trial.loss)


def _format_head(trial: HeadTrial) -> list[str]:
    spec = trial.spec
    return [
        f"{trial.loss:.4f}",
        f"{trial.auc:.4f}",
        str(trial.epochs),
        *(
            ["", "", "", f"{spec.l2_penalty:.0e}"]
            if spec.is_logistic
            else [
                f"{spec.dropout:.1f}",
                f"{spec.weight_decay:.0e}",
                f"{spec.learning_rate:.0e}",
                "",
            ]
        ),
        spec.describe(),
    ]


def write_leaderboard(path: Path, trials: Sequence[HeadTrial]) -> None:
    """Write all trials as JSON lines."""
    lines = [json.dumps(trial.to_row()) for trial in trials]
    atomic_files.write_atomically(path, ("\n".join(lines) + "\n").encode())
