"""Fit temperature, threshold and abstention band on validation images; the hold-out has no part."""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

ABSTAIN = "can't tell"

Verdict = Literal["real", "generated", "can't tell"]


@dataclass(frozen=True)
class Scores:
    """Scores of probabilities on one split.

    Attributes:
        auc: area under the ROC curve.
        log_loss: mean binary cross-entropy, in nats.
    """

    auc: float
    log_loss: float


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The rule from a probability to a verdict.

    Attributes:
        temperature: divides the logits inside the detector.
        threshold: an image counts as generated from this probability on; at most `target_fpr` of
            the validation photographs reach it.
        target_fpr: share of photographs that may be called generated.
        real_below, generated_above: the abstention band. Below it lie at most `target_fpr` of the
            generated validation images, above it at most `target_fpr` of the photographs.
        answered, wrong, abstained: validation images with a verdict, those of them with a wrong
            one, and those in the band. An optimistic estimate of the error: the band was chosen on
            these very images.
    """

    temperature: float
    threshold: float
    target_fpr: float
    real_below: float
    generated_above: float
    answered: int = 0
    wrong: int = 0
    abstained: int = 0

    def decide(self, probability: float) -> Verdict:
        """Return the verdict on an image with this probability of being generated."""
        if probability >= self.generated_above:
            return "generated"
        return "real" if probability < self.real_below else ABSTAIN

    def describe_band(self) -> str:
        """Return the limits of the verdicts in a sentence."""
        return (
            f"generated from {self.generated_above:.2f}, real under {self.real_below:.2f}, "
            "can't tell between."
        )

    def describe_expected_error(self) -> str:
        """Return the error to expect in a sentence."""
        if not self.answered:
            return (
                f"At most {self.target_fpr:.0%} of the photographs it was calibrated on are called "
                "generated."
            )
        images = self.answered + self.abstained
        return (
            f"On the {images:,} images it was calibrated on, {self.wrong} of {self.answered:,} "
            "answers were wrong; expect more errors on other images."
        )


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(logits / 2))


def convert_to_logits(probabilities: np.ndarray) -> np.ndarray:
    """Return logits of probabilities that are clipped to 1e-7 from 0 and 1."""
    clipped = np.clip(probabilities, 1e-7, 1 - 1e-7)
    return np.log(clipped / (1 - clipped))


def compute_cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean binary cross-entropy of logits against labels or soft targets, in nats."""
    return float(np.mean(np.logaddexp(0, logits) - labels * logits))


def compute_scores(probabilities: np.ndarray, labels: np.ndarray) -> Scores:
    """Return ROC AUC and log loss of probabilities (n,) against labels (n,), 1 for generated."""
    from sklearn.metrics import roc_auc_score

    return Scores(
        auc=float(roc_auc_score(labels, probabilities)),
        log_loss=compute_cross_entropy(convert_to_logits(probabilities), labels),
    )


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature of the lowest cross-entropy (Guo et al. 2017), within 1/20 to 20.

    The targets are Platt's (1999): (n + 1) / (n + 2) for n generated images and 1 / (n + 2) for n
    photographs. With hard labels, a validation split that is separated without an error would ask
    for infinite confidence.
    """
    import scipy.optimize  # detection imports this module and does not need scipy

    n_generated, n_real = np.sum(labels == 1), np.sum(labels == 0)
    targets = np.where(labels == 1, (n_generated + 1) / (n_generated + 2), 1 / (n_real + 2))
    result = scipy.optimize.minimize_scalar(
        lambda log: compute_cross_entropy(logits / np.exp(log), targets),
        bounds=(-np.log(20), np.log(20)),
        method="bounded",
    )
    return float(np.exp(result.x))


def calibrate_probabilities(
    probabilities: np.ndarray, labels: np.ndarray, target_fpr: float, temperature: float = 1.0
) -> Calibration:
    """Choose threshold and band from calibrated probabilities (n,) and labels (n,)."""
    real, generated = probabilities[labels == 0], probabilities[labels == 1]
    threshold = _choose_cut(real, target_fpr)
    miss_cut = 1 - _choose_cut(1 - generated, target_fpr)
    calibration = Calibration(
        temperature=temperature,
        threshold=threshold,
        target_fpr=target_fpr,
        real_below=min(threshold, miss_cut),
        generated_above=max(threshold, miss_cut),
    )
    verdicts = np.array([calibration.decide(probability) for probability in probabilities])
    answered = verdicts != ABSTAIN
    wrong = answered & ((verdicts == "generated") != (labels == 1))
    return replace(
        calibration,
        answered=int(answered.sum()),
        wrong=int(wrong.sum()),
        abstained=int((~answered).sum()),
    )


def _choose_cut(scores: np.ndarray, share: float) -> float:
    """Return the lowest cut that at most `share` of the scores reach, midway between two."""
    distinct = np.sort(np.unique(scores))
    share_above = np.array([np.mean(scores >= score) for score in distinct])
    allowed = np.flatnonzero(share_above <= share)
    if not len(allowed):
        return float(min(1.0, (distinct[-1] + 1) / 2))
    first = allowed[0]
    return float((distinct[first] + distinct[first - 1]) / 2) if first else float(distinct[0])


def describe_uselessness(probabilities: np.ndarray, labels: np.ndarray, threshold: float) -> str:
    """Return in words how a useless detector fails on the validation images; "" if it is useful.

    Guessing reaches an AUC of .5 with the standard deviation of Mann and Whitney's U, and rarely
    exceeds two of them.
    """
    n_generated, n_real = int(np.sum(labels == 1)), int(np.sum(labels == 0))
    chance = 0.5 + 2 * math.sqrt((n_generated + n_real + 1) / (12 * n_generated * n_real))
    auc = compute_scores(probabilities, labels).auc
    if auc <= chance:
        return (
            f"has a validation AUC of {auc:.2f}, no better than guessing "
            f"(which reaches up to {chance:.2f} with so few images)."
        )
    alarms = probabilities >= threshold
    if alarms.all() or not alarms.any():
        return f"calls every validation image {'generated' if alarms.all() else 'real'}."
    return ""
