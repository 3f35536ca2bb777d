"""Compare the final detector over several seeds with each other and with the best baseline."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np

from runtime import console
from runtime.terminal.counting import format_count
from training import calibration, gain_test
from training.baselines.linear import Baseline
from training.calibration import sigmoid
from training.detectors.card_fields import SeedScores
from training.final_detector.final_detector import FinalDetector


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
    detectors: Sequence[FinalDetector],
    baselines: Sequence[Baseline],
    labels: np.ndarray,
    groups: Sequence[str],
) -> list[SeedScores]:
    """Print how far seeds differ, and return loss and AUC of each on the validation images.

    Args:
        detectors: one per seed; the first has the search's seed and is not compared with the
            baselines.
        baselines: the best of those that use pixels is compared.
        labels, groups: of the validation images; labels are 1 for generated, shape (images,).
    """
    losses = [_compute_losses(detector, labels) for detector in detectors]
    scores = [
        SeedScores(loss=float(values.mean()), auc=_compute_auc(detector, labels))
        for values, detector in zip(losses, detectors, strict=True)
    ]
    loss, auc = (SeedSpread(tuple(row)) for row in zip(*map(astuple, scores), strict=True))
    seeds = format_count(len(scores), "seed")
    console.print_message(f"Final detector with {seeds}: loss {loss}, AUC {auc}.")
    baseline = min(
        (baseline for baseline in baselines if baseline.uses_pixels),
        key=lambda row: gain_test.compute_image_losses(row.probabilities, labels).mean(),
    )
    baseline_losses = gain_test.compute_image_losses(baseline.probabilities, labels)
    test = gain_test.compare_losses(baseline_losses, losses[1:], labels, groups)
    outcome = "beats" if test.is_gain else "is not shown to beat"
    console.print_message(
        f"The final detector {outcome} the best baseline, {baseline.name} "
        f"(loss {baseline_losses.mean():.4f}): {test.describe()}."
    )
    return scores


def _compute_losses(detector: FinalDetector, labels: np.ndarray) -> np.ndarray:
    """Return the loss that the leaderboard ranks by, of every image."""
    return gain_test.compute_image_losses(sigmoid(detector.logits), labels)


def _compute_auc(detector: FinalDetector, labels: np.ndarray) -> float:
    return calibration.compute_scores(sigmoid(detector.logits), labels).auc
