"""Statistics of the train split."""

import numpy as np
import pytest

from toys.features import FEATURE_COLUMNS, FEATURE_WIDTH
from training.features.training_features import SelectedRows, SplitFeatures, TrainingFeatures


@pytest.mark.parametrize("count", [5, 90])
def test_mean_and_variance_are_those_of_the_train_rows_alone(count):
    values = np.random.default_rng(0).normal(50, 3, (100, 2, FEATURE_WIDTH)).astype(np.float32)
    rows = np.random.default_rng(1).permutation(100)[:count]
    labels = np.arange(100) % 2
    train = SplitFeatures(SelectedRows(values, rows), labels[rows])
    features = TrainingFeatures(FEATURE_COLUMNS, train, SplitFeatures(values[:0], labels[:0]))
    expected = values[rows].reshape(-1, FEATURE_WIDTH).astype(np.float64)
    mean, variance = features.mean_and_variance
    assert mean == pytest.approx(expected.mean(axis=0), rel=1e-6)
    assert variance == pytest.approx(expected.var(axis=0), rel=1e-5)
