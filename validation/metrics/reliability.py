"""Reliability bins of predicted probabilities, and the calibration error that chance alone would
give."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from validation.metrics.intervals import CONFIDENCE_LEVEL
from validation.metrics.scored_images import ScoredImages

RELIABILITY_BINS = 15


def assign_reliability_bins(probabilities: np.ndarray) -> np.ndarray:
    """The number of the reliability bin of each probability, BINS equal ones; 1.0 is in the
    last."""
    return np.minimum((probabilities * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)


def compute_chance_calibration_error(
    scored: ScoredImages, draws: int = 500, seed: int = 0
) -> float:
    """The ECE that a perfectly calibrated detector with these probabilities stays under in 95% of
    all sets of labels."""
    generator = np.random.default_rng(seed)
    member = np.arange(RELIABILITY_BINS) == assign_reliability_bins(scored.probabilities)[:, None]
    found = []
    for _ in range(draws):  # one at a time: all of them are gigabytes for 100,000 images
        labels = generator.random(len(scored.labels)) < scored.probabilities
        found.append(np.abs((labels - scored.probabilities) @ member).sum() / len(scored.labels))
    return float(np.quantile(found, CONFIDENCE_LEVEL))


@dataclass(frozen=True)
class ReliabilityBin:
    """One reliability bin: images in it, their mean probability, and the share of them that is
    generated."""

    images: int
    probability: float
    generated: float


def compute_reliability_bins(scored: ScoredImages) -> Iterator[ReliabilityBin]:
    """The bins of the expected calibration error that hold images."""
    where = assign_reliability_bins(scored.probabilities)
    for number in range(RELIABILITY_BINS):
        inside = where == number
        if inside.any():
            yield ReliabilityBin(
                int(inside.sum()),
                float(scored.probabilities[inside].mean()),
                float(scored.labels[inside].mean()),
            )
