"""Linear heads are logistic regression, fitted to the end."""

import dataclasses

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from toys.features import FEATURE_COLUMNS, assign_generators, make_toy_features, make_toy_spec
from training.fitting import compute_balanced_weights
from training.head_search import batched_training
from training.head_search.head_trainer import HeadTrainingPlan, compute_head_logits
from training.head_search.logistic_head import fit_logistic_head

SPEC = make_toy_spec(l2_penalty=1e-2)


def make_plan(columns=FEATURE_COLUMNS, **changes) -> HeadTrainingPlan:
    spec = dataclasses.replace(SPEC, **changes)
    return HeadTrainingPlan(spec=spec, columns=columns, epochs=5, patience=5)


def standardise(features):
    values = features.train.values
    mean, variance = features.mean_and_variance
    return ((values - mean) / np.sqrt(variance + 1e-6)).reshape(-1, values.shape[2])


@pytest.mark.parametrize("n_columns", [3, len(FEATURE_COLUMNS)])  # fewer and more than 60 rows
def test_a_head_is_what_scikit_learn_fits_on_all_its_features(n_columns):
    features = make_toy_features()
    columns = FEATURE_COLUMNS[:n_columns]
    kernel, bias = fit_logistic_head(features, make_plan(columns))
    width = columns[-1].stop
    assert kernel.shape == (width, 1) and bias.shape == (1,)
    x, y = standardise(features)[:, :width], np.repeat(features.train.labels, 2)
    model = LogisticRegression(C=1 / (1e-2 * width * len(x)), max_iter=1000).fit(
        x, y, sample_weight=compute_balanced_weights(y[:, None].astype(float))[:, 0]
    )
    expected = model.decision_function(x)
    assert np.abs(x @ kernel[:, 0] + bias - expected).max() < 0.02 * np.abs(expected).max()


def test_every_generator_has_an_output_against_all_photographs_unless_there_are_many_sources():
    features = assign_generators(make_toy_features(), "gan", "diffusion", "gan")
    kernel, _ = fit_logistic_head(features, make_plan())
    assert kernel.shape[1] == 2
    without_gan = np.flatnonzero(np.array(features.train.sources) != "gan")
    train = dataclasses.replace(
        features.train,
        values=features.train.values[without_gan],
        labels=features.train.labels[without_gan],
        sources=[features.train.sources[row] for row in without_gan],
    )
    # Standardised by other images, so only nearly the same.
    alone, _ = fit_logistic_head(dataclasses.replace(features, train=train), make_plan())
    assert np.corrcoef(kernel[:, 0], alone[:, 0])[0, 1] > 0.95
    many = dataclasses.replace(features, is_logistic=True)
    one, bias = fit_logistic_head(many, make_plan())
    assert one.shape[1] == len(bias) == 1


def test_a_stronger_penalty_gives_smaller_weights():
    features = make_toy_features()
    sizes = [
        np.abs(fit_logistic_head(features, make_plan(l2_penalty=penalty))[0]).sum()
        for penalty in (1e-4, 1e-2, 1.0)
    ]
    assert sizes[0] > 2 * sizes[1] > 4 * sizes[2]


def test_a_fitted_head_is_scored_once_and_not_trained_on():
    features = make_toy_features()
    plan = make_plan()
    (trained,) = batched_training.train_heads(features, [plan], 16, seed=0)
    kernel, bias = fit_logistic_head(features, plan)
    assert np.array_equal(trained.weights[0], kernel) and np.array_equal(trained.weights[1], bias)
    assert len(trained.history["val_loss"]) == 1 and trained.best_epoch == 0
    assert trained.get_metrics()["val_auc"] > 0.9
    mean, variance = features.mean_and_variance
    x = (features.validation.values - mean) / np.sqrt(variance + 1e-6)
    logits = compute_head_logits(trained.weights, x.reshape(-1, x.shape[2]))[:, 0]
    assert np.mean((logits > 0) == np.repeat(features.validation.labels, 2)) > 0.85
