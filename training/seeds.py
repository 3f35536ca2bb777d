"""The winner with several seeds: mean and spread, and whether it beats the best baseline by more than that."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data_collection import console
from training import leaderboard
from training.baselines import Baseline
from training.calibration import sigmoid, temperature
from training.winner import Winner


@dataclass(frozen=True)
class Spread:
    """One figure, measured with several seeds."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return float(np.mean(self.values))

    @property
    def deviation(self) -> float:
        """Standard deviation; 0 for a single seed."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else 0.0

    def __str__(self) -> str:
        spread = f"{self.deviation:.4f}" if len(self.values) > 1 else "n/a with one seed"
        return f"{self.mean:.4f} (standard deviation {spread})"


def show(winners: Sequence[Winner], rivals: Sequence[Baseline], labels: np.ndarray) -> list[dict[str, float]]:
    """Says how far seeds differ, and returns loss (as the leaderboard ranks) and AUC of each on the validation images.

    Args:
        winners: one per seed.
        rivals: those that look at pictures are compared.
        labels: of the validation images, 1 for generated, shape (images,).
    """
    seen = [Baseline("", sigmoid(one.logits / temperature(one.logits, labels))) for one in winners]
    found = [
        {"loss": leaderboard.smoothed_loss(one, labels), "auc": leaderboard.metrics(one.probabilities, labels)["auc"]}
        for one in seen
    ]
    loss, auc = (Spread(tuple(one[name] for one in found)) for name in ("loss", "auc"))
    console.say(f"The winner with {len(found)} seeds: loss {loss}, AUC {auc}.")
    looking = {leaderboard.smoothed_loss(rival, labels): rival.name for rival in rivals if rival.looks_at_pictures}
    best = min(looking)
    gain = best - loss.mean
    verdict = "more than seeds differ" if gain > loss.deviation else "inside what seeds differ: noise, or a loss"
    console.say(f"The best baseline, {looking[best]}, has a loss of {best:.4f}; the winner gains {gain:.4f}, {verdict}.")
    return found
