"""Trials are ranked by what calibration leaves of their loss, and not by how sure of themselves
they were trained to be."""

import keras
import numpy as np
import pytest
import scipy.optimize

from finetuning.calibrated_loss import CalibratedLoss
from training.calibration import compute_cross_entropy
from training.fitting import LABEL_SMOOTHING


def ranked(logits: np.ndarray, labels: np.ndarray, batch: int = 7) -> float:
    metric = CalibratedLoss()
    for start in range(0, len(labels), batch):
        part = slice(start, start + batch)
        metric.update_state(
            labels[part, None].astype(np.float32), logits[part, None].astype(np.float32)
        )
    return float(metric.result())


@pytest.fixture
def answers() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, 60)
    return draw.normal(2.0 * labels - 1, 1.5), labels


def test_it_is_the_smallest_loss_that_a_temperature_gives(answers):
    logits, labels = answers
    targets = labels * (1 - LABEL_SMOOTHING) + LABEL_SMOOTHING / 2
    best = scipy.optimize.minimize_scalar(
        lambda log: compute_cross_entropy(logits / np.exp(log), targets),
        bounds=(-3, 3),
        method="bounded",
    )
    assert ranked(logits, labels) == pytest.approx(best.fun, rel=1e-3)
    assert best.fun < 0.99 * compute_cross_entropy(logits, targets)


def test_confidence_alone_changes_nothing_and_an_error_does(answers):
    logits, labels = answers
    assert ranked(4 * logits, labels) == pytest.approx(ranked(logits, labels), rel=1e-3)
    surest = np.argsort(logits * (2 * labels - 1))[-3:]
    worse = np.where(np.isin(np.arange(60), surest), -logits, logits)
    assert ranked(worse, labels) > ranked(logits, labels) + 0.01


def test_not_a_number_stays_one():
    assert not np.isfinite(ranked(np.full(4, np.nan), np.array([0, 1, 0, 1])))
    assert keras.backend.standardize_dtype(CalibratedLoss().totals.dtype) == "float32"
