"""Trials are ranked by their loss after calibration, so that confidence alone changes nothing."""

import keras
import numpy as np
import pytest
import scipy.optimize

from finetuning.calibrated_loss import CalibratedLoss
from training.calibration import compute_cross_entropy
from training.fitting import LABEL_SMOOTHING


def compute_calibrated_loss(logits: np.ndarray, labels: np.ndarray, batch_size: int = 7) -> float:
    metric = CalibratedLoss()
    for start in range(0, len(labels), batch_size):
        batch = slice(start, start + batch_size)
        metric.update_state(
            labels[batch, None].astype(np.float32), logits[batch, None].astype(np.float32)
        )
    return float(metric.result())


@pytest.fixture
def answers() -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 60)
    return rng.normal(2.0 * labels - 1, 1.5), labels


def test_it_is_the_smallest_loss_that_a_temperature_gives(answers):
    logits, labels = answers
    targets = labels * (1 - LABEL_SMOOTHING) + LABEL_SMOOTHING / 2
    best = scipy.optimize.minimize_scalar(
        lambda log: compute_cross_entropy(logits / np.exp(log), targets),
        bounds=(-3, 3),
        method="bounded",
    )
    assert compute_calibrated_loss(logits, labels) == pytest.approx(best.fun, rel=1e-3)
    assert best.fun < 0.99 * compute_cross_entropy(logits, targets)


def test_confidence_alone_changes_nothing_and_an_error_does(answers):
    logits, labels = answers
    assert compute_calibrated_loss(4 * logits, labels) == pytest.approx(
        compute_calibrated_loss(logits, labels), rel=1e-3
    )
    most_confident = np.argsort(logits * (2 * labels - 1))[-3:]
    worse = np.where(np.isin(np.arange(60), most_confident), -logits, logits)
    assert compute_calibrated_loss(worse, labels) > compute_calibrated_loss(logits, labels) + 0.01


def test_a_nan_stays_a_nan():
    assert not np.isfinite(compute_calibrated_loss(np.full(4, np.nan), np.array([0, 1, 0, 1])))
    assert keras.backend.standardize_dtype(CalibratedLoss().totals.dtype) == "float32"
