"""The best trials and the baselines in one table, on the same validation images.

Heads are ranked over all views of them, as they were trained; baselines are scored on view 0, as they were trained.
"""

import math
from collections.abc import Sequence

import numpy as np

from data_collection import console
from training import head_search
from training.baselines import Baseline
from training.calibration import log_loss
from training.head_search import Trial
from training.heads import LABEL_SMOOTHING, smoothed

SHOWN = 10
"""Heads that the printed table shows; every trial is in the model's leaderboard.jsonl."""


def show(trials: Sequence[Trial], rivals: Sequence[Baseline], labels: np.ndarray) -> None:
    """Prints the best heads and the baselines, ranked by validation loss."""
    heads = distinct(trials)
    rows = [(trial.loss, _head_cells(trial)) for trial in heads[:SHOWN]]
    rows += [(smoothed_loss(rival, labels), _baseline_cells(rival, labels)) for rival in rivals]
    console.table(
        f"Leaderboard on {len(labels)} validation images ({len(trials)} trials of {len(heads)} heads)",
        ["head", "dropout", "decay", "rate", "epochs", "val AUC", f"val loss (smoothing {LABEL_SMOOTHING})"],
        [[*cells, f"{loss:.4f}"] for loss, cells in sorted(rows)],
    )


def distinct(trials: Sequence[Trial]) -> list[Trial]:
    """The trials without repetition, the best first: a head that Hyperband carried on counts once."""
    best: dict[tuple, Trial] = {}
    for trial in sorted(trials, key=lambda trial: trial.loss):
        best.setdefault(_identity(trial), trial)
    return list(best.values())


def _identity(trial: Trial) -> tuple:
    return tuple(sorted((name, value) for name, value in trial.values.items() if not name.startswith("tuner/")))


def _head_cells(trial: Trial) -> list[str]:
    values = trial.values
    numbers = [f"{values['dropout']:.1f}", f"{values['weight_decay']:.0e}", f"{values['learning_rate']:.0e}"]
    return [head_search.describe(values), *numbers, str(trial.epochs), f"{trial.auc:.4f}"]


def _baseline_cells(rival: Baseline, labels: np.ndarray) -> list[str]:
    return [f"baseline: {rival.name}", "", "", "", "", f"{metrics(rival.probabilities, labels)['auc']:.4f}"]


def smoothed_loss(rival: Baseline, labels: np.ndarray) -> float:
    """The loss that heads are ranked by, for a baseline."""
    return log_loss(_logits(rival.probabilities), smoothed(labels))


def metrics(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """ROC AUC and log loss (nats) of probabilities (n,) against labels (n,), 1 for generated."""
    from sklearn.metrics import roc_auc_score

    return {"auc": float(roc_auc_score(labels, probabilities)), "log_loss": log_loss(_logits(probabilities), labels)}


def useless(probabilities: np.ndarray, labels: np.ndarray, threshold: float) -> str:
    """What a detector that tells nothing apart does on the validation images, in words; empty if it tells something.

    Guessing reaches an AUC of .5 with the standard deviation of Mann and Whitney's U, and seldom two of them more.
    """
    generated, real = int(np.sum(labels == 1)), int(np.sum(labels == 0))
    guessed = 0.5 + 2 * math.sqrt((generated + real + 1) / (12 * generated * real))
    auc = metrics(probabilities, labels)["auc"]
    if auc <= guessed:
        return f"has a validation AUC of {auc:.2f}, which guessing reaches, too (up to {guessed:.2f} with so few images)."
    alarms = probabilities >= threshold
    if alarms.all() or not alarms.any():
        return f"calls every validation image {'generated' if alarms.all() else 'real'}."
    return ""


def _logits(probabilities: np.ndarray) -> np.ndarray:
    clipped = np.clip(probabilities, 1e-7, 1 - 1e-7)
    return np.log(clipped / (1 - clipped))
