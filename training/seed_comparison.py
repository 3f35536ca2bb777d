"""Compare the final detector over several seeds with each other and with the best baseline."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from runtime import console
from training import calibration
from training.baselines.linear import Baseline
from training.calibration import fit_temperature, sigmoid
from training.detectors.card_fields import SeedScores
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
    detectors: Sequence[FinalDetector], baselines: Sequence[Baseline], labels: np.ndarray
) -> list[SeedScores]:
    """Print how far seeds differ, and return loss and AUC of each on the validation images.

    Args:
        detectors: one per seed.
        baselines: those that use pixels are compared.
        labels: of the validation images, 1 for generated, shape (images,).
    """
    scores = [_score_seed(detector, labels) for detector in detectors]
    loss, auc = (SeedSpread(tuple(row)) for row in zip(*map(astuple, scores), strict=True))
    console.print_message(f"Final detector with {len(scores)} seeds: loss {loss}, AUC {auc}.")
    losses = {
        leaderboard.compute_smoothed_loss(baseline, labels): baseline.name
        for baseline in baselines
        if baseline.uses_pixels
    }
    lowest = min(losses)
    gain = lowest - loss.mean
    comparison = (
        "more than the seed-to-seed spread"
        if gain > loss.deviation
        else "within the seed-to-seed spread or worse"
    )
    console.print_message(
        f"Best baseline, {losses[lowest]}: loss {lowest:.4f}. "
        f"The final detector's gain is {gain:.4f}, {comparison}."
    )
    return scores


def _score_seed(detector: FinalDetector, labels: np.ndarray) -> SeedScores:
    """Return the loss that the leaderboard ranks by, and the AUC."""
    probabilities = sigmoid(detector.logits / fit_temperature(detector.logits, labels))
    calibrated = Baseline(name="", probabilities=probabilities)
    return SeedScores(
        loss=leaderboard.compute_smoothed_loss(calibrated, labels),
        auc=calibration.compute_scores(probabilities, labels).auc,
    )
