"""Fit linear heads as logistic regression, to the end: a straight line has one best solution.

Rows are fewer than features, so the fit works on as many numbers a row as there are rows: the
Cholesky factor of their inner products, in which distances and penalty are the same.
"""

from collections.abc import Sequence

import numpy as np

from training.features.column_selection import compute_column_indices
from training.features.layout import Column
from training.features.training_features import TrainingFeatures
from training.fitting import compute_balanced_weights
from training.head_search.head_trainer import HeadTrainingPlan

MAX_LOGISTIC_ROWS = 8_000
"""Rows (images times views) of a fit; more are drawn from, since time grows with their square."""

CHOLESKY_JITTER = 1e-4
"""Added to the diagonal, relative to its mean: rounding makes some inner products dependent."""

MAX_ITERATIONS = 300


def fit_logistic_head(features: TrainingFeatures, plan: HeadTrainingPlan) -> list[np.ndarray]:
    """Return kernel (width, outputs) and bias (outputs,) over the plan's standardised columns.

    Both classes weigh the same in every output.
    """
    (weights,) = fit_logistic_heads(features, plan.columns, [plan.spec.l2_penalty])
    return weights


def fit_logistic_heads(
    features: TrainingFeatures, columns: Sequence[Column], l2_penalties: Sequence[float]
) -> list[list[np.ndarray]]:
    """Return kernel and bias for each penalty; the inner products are computed once."""
    index = compute_column_indices(columns)
    mean, variance = (values[index] for values in features.mean_and_variance)
    scale = (1 / np.sqrt(variance + 1e-6)).astype(np.float32)
    train = features.train
    targets = features.make_targets(train).reshape(len(train.labels), -1)
    images, views = _choose_rows(len(targets), train.values.shape[1])
    x = (train.values[images, views][:, index] - mean) * scale
    reduced = _reduce_rows(x)
    return [
        _fit_outputs(x, reduced, targets[images], l2_penalty * len(index))
        for l2_penalty in l2_penalties
    ]


def _choose_rows(n_images: int, n_views: int) -> tuple[np.ndarray, np.ndarray]:
    """Return image and view of every row of a fit."""
    rows = np.arange(n_images * n_views)
    if len(rows) > MAX_LOGISTIC_ROWS:
        drawn = np.random.default_rng(0).choice(rows, MAX_LOGISTIC_ROWS, replace=False)
        rows = np.sort(drawn)
    return rows // n_views, rows % n_views


def _fit_outputs(
    x: np.ndarray, reduced: np.ndarray, targets: np.ndarray, l2_penalty: float
) -> list[np.ndarray]:
    """Return kernel (width, outputs) and bias (outputs,).

    Args:
        x: standardised features, shape (rows, width).
        reduced: the same rows by _reduce_rows.
        targets: shape (rows, outputs); a negative one takes no part.
    """
    from scipy.linalg import solve_triangular

    outputs = [_fit_output(reduced, column, l2_penalty) for column in targets.T]
    kernel = np.stack([weights for weights, _ in outputs], axis=1)
    bias = np.array([bias for _, bias in outputs])
    if reduced is not x:
        kernel = x.T @ solve_triangular(reduced, kernel, lower=True, trans="T")
    return [kernel.astype(np.float32), bias.astype(np.float32)]


def _reduce_rows(x: np.ndarray) -> np.ndarray:
    """Return rows of the same inner products, as short as there are rows; x if it is no longer."""
    if len(x) >= x.shape[1]:
        return x
    products = (x @ x.T).astype(np.float64)
    products[np.diag_indices(len(x))] += CHOLESKY_JITTER * np.trace(products) / len(x)
    return np.linalg.cholesky(products)


def _fit_output(x: np.ndarray, targets: np.ndarray, l2_penalty: float) -> tuple[np.ndarray, float]:
    from sklearn.linear_model import LogisticRegression

    weights = compute_balanced_weights(targets[:, None])[:, 0]
    used = np.flatnonzero(weights)
    weights = weights[used] * len(used) / weights[used].sum()
    # scikit-learn adds up the loss of the rows, the penalty is for their mean.
    model = LogisticRegression(C=1 / (l2_penalty * len(used)), max_iter=MAX_ITERATIONS)
    model.fit(x[used], targets[used] > 0.5, sample_weight=weights)
    return model.coef_[0], float(model.intercept_[0])
