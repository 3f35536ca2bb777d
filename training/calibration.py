"""Temperature, threshold and the band of doubt, all from validation images; the hold-out has no part in them."""

import math
from dataclasses import dataclass, replace

import numpy as np

ABSTAIN = "can't tell"


@dataclass(frozen=True)
class Calibration:
    """How a probability becomes a verdict.

    Attributes:
        temperature: what logits are divided by inside the detector.
        threshold: probability from which on an image counts as generated; at most `target_fpr` of the validation
            photographs reach it.
        target_fpr: wanted share of photographs called generated.
        real_below, generated_above: between the two the verdict is "can't tell": under the first lie at most
            `target_fpr` of the generated validation images, over the second at most `target_fpr` of the photographs.
        answered, wrong, doubtful: validation images with a verdict, those of them with the wrong one, and those without: the
            error to expect, in hindsight: the band was chosen on these very images.
    """

    temperature: float
    threshold: float
    target_fpr: float
    real_below: float
    generated_above: float
    answered: int = 0
    wrong: int = 0
    doubtful: int = 0

    def verdict(self, probability: float) -> str:
        if probability >= self.generated_above:
            return "generated"
        return "real" if probability < self.real_below else ABSTAIN

    def in_words(self) -> str:
        """Where the verdicts change, in a sentence."""
        return f"generated from {self.generated_above:.2f}, real under {self.real_below:.2f}, can't tell between."

    def expectation(self) -> str:
        """The error to expect, in a sentence."""
        if not self.answered:
            return f"At most {self.target_fpr:.0%} of the photographs it was set on are called generated."
        images = self.answered + self.doubtful
        wrong = f"{self.wrong} of {self.answered:,} answers were wrong"
        return f"On the {images:,} images it was set on, {wrong}; on others it errs more often."


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(logits / 2))


def compute_cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean binary cross-entropy of logits against labels or soft targets, in nats."""
    return float(np.mean(np.logaddexp(0, logits) - labels * logits))


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature that makes these logits least surprised by the labels (Guo et al. 2017), within 1/20 to 20.

    The targets are Platt's (1999): (n + 1) / (n + 2) for n generated images and 1 / (n + 2) for n photographs. With hard
    labels a validation split that is told apart without an error would ask for infinite confidence.
    """
    import scipy.optimize  # detection reads this module and has no use for it

    generated, real = np.sum(labels == 1), np.sum(labels == 0)
    targets = np.where(labels == 1, (generated + 1) / (generated + 2), 1 / (real + 2))
    best = scipy.optimize.minimize_scalar(
        lambda log: compute_cross_entropy(logits / np.exp(log), targets),
        bounds=(-np.log(20), np.log(20)),
        method="bounded",
    )
    return float(np.exp(best.x))


def calibrate_probabilities(
    probabilities: np.ndarray, labels: np.ndarray, target_fpr: float, temperature: float = 1.0
) -> Calibration:
    """Chooses threshold and band from calibrated probabilities (n,) and labels (n,), 1 for generated."""
    real, generated = probabilities[labels == 0], probabilities[labels == 1]
    threshold = _choose_cut(real, target_fpr)
    other = 1 - _choose_cut(1 - generated, target_fpr)
    found = Calibration(
        temperature, threshold, target_fpr, min(threshold, other), max(threshold, other)
    )
    said = np.array([found.verdict(probability) for probability in probabilities])
    answered = said != ABSTAIN
    wrong = answered & ((said == "generated") != (labels == 1))
    counts = {
        "answered": int(answered.sum()),
        "wrong": int(wrong.sum()),
        "doubtful": int((~answered).sum()),
    }
    return replace(found, **counts)


def _choose_cut(scores: np.ndarray, share: float) -> float:
    """The lowest cut that at most `share` of the scores reach: halfway between the two scores it falls between."""
    ordered = np.sort(np.unique(scores))
    reaching = np.array([np.mean(scores >= score) for score in ordered])
    allowed = np.flatnonzero(reaching <= share)
    if not len(allowed):
        return float(min(1.0, (ordered[-1] + 1) / 2))
    first = allowed[0]
    return float((ordered[first] + ordered[first - 1]) / 2) if first else float(ordered[0])


def compute_scores(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """ROC AUC and log loss (nats) of probabilities (n,) against labels (n,), 1 for generated."""
    from sklearn.metrics import roc_auc_score

    return {
        "auc": float(roc_auc_score(labels, probabilities)),
        "log_loss": compute_cross_entropy(convert_to_logits(probabilities), labels),
    }


def describe_uselessness(probabilities: np.ndarray, labels: np.ndarray, threshold: float) -> str:
    """What a detector that tells nothing apart does on the validation images, in words; empty if it tells something.

    Guessing reaches an AUC of .5 with the standard deviation of Mann and Whitney's U, and seldom two of them more.
    """
    generated, real = int(np.sum(labels == 1)), int(np.sum(labels == 0))
    guessed = 0.5 + 2 * math.sqrt((generated + real + 1) / (12 * generated * real))
    auc = compute_scores(probabilities, labels)["auc"]
    if auc <= guessed:
        return f"has a validation AUC of {auc:.2f}, which guessing reaches, too (up to {guessed:.2f} with so few images)."
    alarms = probabilities >= threshold
    if alarms.all() or not alarms.any():
        return f"calls every validation image {'generated' if alarms.all() else 'real'}."
    return ""


def convert_to_logits(probabilities: np.ndarray) -> np.ndarray:
    clipped = np.clip(probabilities, 1e-7, 1 - 1e-7)
    return np.log(clipped / (1 - clipped))
