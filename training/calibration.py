"""Turn logits into calibrated probabilities, and score them; the hold-out has no part in it."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scores:
    """Scores of probabilities on one split.

    Attributes:
        auc: area under the ROC curve.
        log_loss: mean binary cross-entropy, in nats.
    """

    auc: float
    log_loss: float


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(logits / 2))


def convert_to_logits(probabilities: np.ndarray) -> np.ndarray:
    """Return logits of probabilities that are clipped to 1e-7 from 0 and 1."""
    clipped = np.clip(probabilities, 1e-7, 1 - 1e-7)
    return np.log(clipped / (1 - clipped))


def turn_to_prevalence(probability: float, prevalence: float) -> float:
    """Return a probability for equal classes as one where this share of images is generated."""
    logit = convert_to_logits(np.array(probability)) + math.log(prevalence / (1 - prevalence))
    return float(sigmoid(logit))


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


def combine_qualities(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the probability of the mean logit of each image, and the lowest and the highest.

    Args:
        probabilities: of every image at every quality, shape (images, qualities).
    """
    combined = sigmoid(convert_to_logits(probabilities.astype(np.float64)).mean(axis=1))
    return combined, probabilities.min(axis=1), probabilities.max(axis=1)


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
