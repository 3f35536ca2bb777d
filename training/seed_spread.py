"""The winner with several seeds: mean and spread, and whether it beats the best baseline by more than that."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from runtime import console
from training import calibration
from training.baselines.linear import Baseline
from training.calibration import fit_temperature, sigmoid
from training.final_detector import FinalDetector
from training.head_search import leaderboard


@dataclass(frozen=True)
class SeedSpread:
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


def print_seed_spread(
    winners: Sequence[FinalDetector], rivals: Sequence[Baseline], labels: np.ndarray
) -> list[dict[str, float]]:
    """Says how far seeds differ, and returns loss (as the leaderboard ranks) and AUC of each on the validation images.

    Args:
        winners: one per seed.
        rivals: those that look at pictures are compared.
        labels: of the validation images, 1 for generated, shape (images,).
    """
    seen = [
        Baseline("", sigmoid(one.logits / fit_temperature(one.logits, labels))) for one in winners
    ]
    found = [
        {
            "loss": leaderboard.compute_smoothed_loss(one, labels),
            "auc": calibration.compute_scores(one.probabilities, labels)["auc"],
        }
        for one in seen
    ]
    loss, auc = (SeedSpread(tuple(one[name] for one in found)) for name in ("loss", "auc"))
    console.print_message(f"The winner with {len(found)} seeds: loss {loss}, AUC {auc}.")
    looking = {
        leaderboard.compute_smoothed_loss(rival, labels): rival.name
        for rival in rivals
        if rival.looks_at_pictures
    }
    best = min(looking)
    gain = best - loss.mean
    verdict = (
        "more than seeds differ"
        if gain > loss.deviation
        else "inside what seeds differ: noise, or a loss"
    )
    console.print_message(
        f"The best baseline, {looking[best]}, has a loss of {best:.4f}; the winner gains {gain:.4f}, {verdict}."
    )
    return found
