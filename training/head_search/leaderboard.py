"""Show the trials of a search, best first: scored over all training views."""

import json
from collections.abc import Sequence
from pathlib import Path

from runtime import atomic_files, console
from runtime.terminal.counting import format_count
from training.fitting import LABEL_SMOOTHING
from training.head_search.head_spec import HeadSpec, HeadTrial

MAX_HEADS_SHOWN = 10
"""Heads in the printed table; leaderboard.jsonl holds every trial."""

TRIAL_COLUMNS = (
    *(f"val loss (smoothing {LABEL_SMOOTHING})", "val AUC", "epochs", "dropout"),
    *("weight decay", "learning rate", "L2 penalty", "head"),
)


def print_trials(trials: Sequence[HeadTrial]) -> None:
    """Print the best heads of the search, without the settings that none of them has."""
    heads = deduplicate_trials(trials)
    rows = [_format_head(trial) for trial in heads[:MAX_HEADS_SHOWN]]
    used = [index for index in range(len(TRIAL_COLUMNS)) if any(row[index] for row in rows)]
    counted = f"{format_count(len(trials), 'trial')} of {format_count(len(heads), 'head')}"
    console.print_table(
        f"Trials of the search ({counted})",
        [TRIAL_COLUMNS[index] for index in used],
        [[row[index] for index in used] for row in rows],
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
