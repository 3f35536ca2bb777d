"""Batches hold standardised features of the columns that a head uses, and noise for its dropout."""

import numpy as np
import pytest

from toys.features import FEATURE_COLUMNS, FEATURE_WIDTH, make_toy_features
from training.features.column_selection import compute_column_indices
from training.head_search.head_batches import HeadInputs, SplitRows, drop_inputs


@pytest.mark.parametrize("columns", [FEATURE_COLUMNS, FEATURE_COLUMNS[4:7], FEATURE_COLUMNS[1::3]])
def test_inputs_are_the_standardised_columns_of_a_head(columns):
    features = make_toy_features()
    rows = SplitRows.from_split(features, features.train, is_training=True)
    batch = rows.make_batch(np.array([3, 30, 59]))  # images 3, 0 and 29, the latter two in view 1
    cached = features.train.values[[3, 0, 29], [0, 1, 1]]
    mean, variance = features.mean_and_variance
    expected = ((cached - mean) / np.sqrt(variance + 1e-6))[:, compute_column_indices(columns)]
    inputs = HeadInputs(features, columns)
    assert inputs.width == expected.shape[1]
    assert batch.read(inputs) == pytest.approx(expected, abs=1e-5)
    assert batch.targets[:, 0].tolist() == features.train.labels[[3, 0, 29]].tolist()


def test_reading_inputs_leaves_the_cached_features_as_they_are():
    features = make_toy_features()
    before = features.train.values.copy()
    HeadInputs(features, FEATURE_COLUMNS).read(features.train.values[:, 0], slice(None))
    assert np.array_equal(features.train.values, before)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.6])
def test_dropout_takes_its_share_and_keeps_the_mean(rate):
    features = make_toy_features()
    batch = SplitRows.from_split(features, features.train, is_training=True).make_batch(
        np.zeros(2000, dtype=int)
    )
    noise = batch.draw_noise(np.random.default_rng(0))
    assert noise.shape == (2000, FEATURE_WIDTH)
    x = np.ones(noise.shape, dtype=np.float32)
    drop_inputs(x, noise, rate)
    assert np.mean(x == 0) == pytest.approx(rate, abs=0.01)
    assert x.mean() == pytest.approx(1, abs=0.02)
