"""Test whether a detector's loss is lower than another's, over fresh seeds and over images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.calibration import convert_to_logits
from training.fitting import smooth_labels

MIN_GAIN_SEEDS = 3
"""Fresh seeds under which no gain is claimed."""

GAIN_SIGNIFICANCE = 0.05
"""One-sided level of both tests."""

GAIN_REPLICATES = 2000


@dataclass(frozen=True, kw_only=True)
class GainTest:
    """The gain of a detector over a reference, with two one-sided tests of "no gain".

    Attributes:
        gain: mean loss of the reference minus the mean over seeds of the detector's, in nats.
        seeds: number of fresh seeds: none of them chose the detector's hyperparameters.
        seed_p: p value over seeds; NaN with fewer than two.
        lower: lower 95% limit of the gain, from a bootstrap over groups of images.
    """

    gain: float
    seeds: int
    seed_p: float
    lower: float

    @property
    def is_gain(self) -> bool:
        """Whether both tests reject "no gain" at GAIN_SIGNIFICANCE, with enough seeds."""
        return self.seeds >= MIN_GAIN_SEEDS and self.seed_p < GAIN_SIGNIFICANCE and self.lower > 0

    def describe(self) -> str:
        """Return the gain, both tests and their outcome in words."""
        if self.seeds < MIN_GAIN_SEEDS:
            return (
                f"mean loss changed by {-self.gain:+.4f} with {self.seeds} fresh seeds, too few to "
                f"tell a gain from noise ({MIN_GAIN_SEEDS} are needed)"
            )
        return (
            f"mean loss changed by {-self.gain:+.4f} (t test over {self.seeds} fresh seeds: "
            f"p = {self.seed_p:.3f}; over images, the gain is at least {self.lower:+.4f} with 95% "
            "confidence)"
        )


def compare_losses(
    reference: np.ndarray,
    losses: Sequence[np.ndarray],
    labels: np.ndarray,
    groups: Sequence[str],
    seed: int = 0,
) -> GainTest:
    """Compare the losses of a detector with those of a reference on the same images.

    Args:
        reference: loss of every image, (images,).
        losses: the same with every fresh seed of the detector.
        labels: 1 for generated, (images,).
        groups: group of every image, (images,).
        seed: of the bootstrap.
    """
    differences = reference - np.stack(losses)
    gain = float(differences.mean())
    return GainTest(
        gain=gain,
        seeds=len(losses),
        seed_p=float(compute_seed_p(differences.mean(axis=1))),
        lower=gain
        - compute_difference_margin(
            differences.mean(axis=0), labels, groups, GAIN_SIGNIFICANCE, seed
        ),
    )


def compute_seed_p(gains: np.ndarray) -> np.ndarray:
    """Return the one-sided p values of a t test for gains of shape (..., seeds).

    The reference is one draw as well, so the variance is that of a prediction, 1 + 1 / seeds, and
    not that of a mean, 1 / seeds: otherwise a reference that was unlucky with its own seed would
    count as beaten in 14 of 100 cases with 3 seeds (python -m benchmarks.studies.gain_test).
    """
    from scipy.stats import t

    seeds = gains.shape[-1]
    if seeds < 2:
        return np.full(gains.shape[:-1], np.nan)
    deviation = gains.std(axis=-1, ddof=1) * np.sqrt(1 + 1 / seeds)
    with np.errstate(divide="ignore", invalid="ignore"):
        return t.sf(np.nan_to_num(gains.mean(axis=-1) / deviation), seeds - 1)


def compute_difference_margin(
    differences: np.ndarray,
    labels: np.ndarray,
    groups: Sequence[str],
    one_sided_level: float,
    seed: int = 0,
) -> float:
    """Return how far the limit of a mean difference lies from it; infinite for too few groups.

    It is a t quantile of the standard deviation over groups resampled within each class: the
    bootstrap's own quantile lies above a mean of 0 in 6 to 7 of 100 cases with 32 groups.
    """
    from scipy.stats import t

    random = np.random.default_rng(seed)
    totals, counts = np.zeros(GAIN_REPLICATES), np.zeros(GAIN_REPLICATES)
    n_groups = n_free = 0
    for label in np.unique(labels):
        is_class = labels == label
        _, index = np.unique(np.asarray(groups)[is_class], return_inverse=True)
        sizes, sums = np.bincount(index), np.bincount(index, differences[is_class])
        times = random.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), GAIN_REPLICATES)
        totals += times @ sums
        counts += times @ sizes
        n_groups += len(sizes)
        n_free += len(sizes) - 1
    if not n_free:
        return np.inf
    deviation = (totals / counts).std(ddof=1) * np.sqrt(n_groups / n_free)
    return float(t.ppf(1 - one_sided_level, n_free) * deviation)


def compute_image_losses(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the smoothed cross-entropy of every image, in nats, by which detectors are ranked."""
    logits = convert_to_logits(probabilities)
    return np.logaddexp(0, logits) - smooth_labels(labels) * logits
