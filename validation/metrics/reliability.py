"""Reliability bins of probabilities, and the calibration error that chance alone gives."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from validation.metrics.intervals import CONFIDENCE_LEVEL
from validation.metrics.scored_images import ScoredImages

RELIABILITY_BINS = 15


def assign_reliability_bins(probabilities: np.ndarray) -> np.ndarray:
    """Return the bin number of each probability; bins have equal width, and 1.0 is in the last."""
    return np.minimum((probabilities * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)


def compute_chance_calibration_error(
    scored: ScoredImages, draws: int = 500, seed: int = 0
) -> float:
    """Return the ECE below which a perfectly calibrated detector with these probabilities stays
    in 95% of all draws of the labels."""
    generator = np.random.default_rng(seed)
    member = np.arange(RELIABILITY_BINS) == assign_reliability_bins(scored.probabilities)[:, None]
    errors = []
    for _ in range(draws):  # one at a time: all would need gigabytes for 100,000 images
        labels = generator.random(len(scored.labels)) < scored.probabilities
        errors.append(np.abs((labels - scored.probabilities) @ member).sum() / len(scored.labels))
    return float(np.quantile(errors, CONFIDENCE_LEVEL))


@dataclass(frozen=True)
class ReliabilityBin:
    """Number of images in a bin, their mean probability, and the share that is generated."""

    images: int
    probability: float
    generated: float


def compute_reliability_bins(scored: ScoredImages) -> Iterator[ReliabilityBin]:
    """Yield the bins of the expected calibration error that are not empty."""
    bins = assign_reliability_bins(scored.probabilities)
    for number in range(RELIABILITY_BINS):
        inside = bins == number
        if inside.any():
            yield ReliabilityBin(
                int(inside.sum()),
                float(scored.probabilities[inside].mean()),
                float(scored.labels[inside].mean()),
            )
