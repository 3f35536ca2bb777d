"""Heads of data sets of many sources are ranked by sources that they were not trained on."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from toys.features import FEATURE_COLUMNS, FEATURE_WIDTH, make_toy_spec
from training.features.training_features import SplitFeatures, TrainingFeatures
from training.head_search.head_trainer import HeadTrainingPlan
from training.head_search.logistic_head import fit_logistic_head
from training.head_search.source_folds import (
    SOURCE_FOLDS,
    has_many_sources,
    make_source_folds,
    score_on_source_folds,
)

REAL, GENERATED = ("a", "b", "c", "d", "e"), ("u", "v", "w", "x")
SHARED_TRACE, OWN_TRACES = 0, 2


def make_features(images_per_source: int = 24) -> TrainingFeatures:
    """Noise; every generator leaves a weak trace that all share, and a strong one of its own."""
    rng = np.random.default_rng(0)
    sources = np.repeat((*REAL, *GENERATED), images_per_source)
    labels = np.isin(sources, GENERATED).astype(np.int64)
    values = rng.normal(size=(len(sources), 1, FEATURE_WIDTH)).astype(np.float32)
    values[labels == 1, :, SHARED_TRACE] += 2
    for number, name in enumerate(GENERATED):
        values[sources == name, :, OWN_TRACES + number] += 8
    is_train = np.arange(len(sources)) % 3 > 0
    order = np.concatenate([np.flatnonzero(is_train), np.flatnonzero(~is_train)])
    values, labels, sources = values[order], labels[order], sources[order]
    groups = np.array([f"group {number}" for number in range(len(sources))])
    half = int(is_train.sum())
    train, validation = (
        SplitFeatures(
            values[part],
            labels[part],
            sources[part].tolist(),
            groups=groups[part].tolist(),
        )
        for part in (slice(0, half), slice(half, None))
    )
    return TrainingFeatures(FEATURE_COLUMNS, train, validation, values, is_logistic=True)


def make_plan(**changes) -> HeadTrainingPlan:
    spec = make_toy_spec(l2_penalty=1e-4, **changes)
    columns = spec.select_columns(FEATURE_COLUMNS)
    return HeadTrainingPlan(spec=spec, columns=columns, epochs=4, patience=2)


def test_every_source_is_left_out_once_and_never_trained_on_then():
    folds = make_source_folds(make_features())
    assert len(folds) == SOURCE_FOLDS
    left_out = [name for fold in folds for name in sorted(set(fold.validation.sources))]
    assert sorted(left_out) == sorted((*REAL, *GENERATED))
    for fold in folds:
        assert not set(fold.train.sources) & set(fold.validation.sources)
        assert {*fold.validation.labels} == {*fold.train.labels} == {0, 1}
        assert len(fold.train.labels) + len(fold.validation.labels) == 9 * 24


def test_a_group_that_a_source_left_out_shares_is_not_trained_on():
    features = make_features()
    groups = list(features.train.groups)
    first_of_u = features.train.sources.index("u")
    groups[features.train.sources.index("b")] = groups[first_of_u]
    shared = dataclasses.replace(features, train=dataclasses.replace(features.train, groups=groups))
    (without_u,) = [fold for fold in make_source_folds(shared) if "u" in fold.validation.sources]
    assert without_u.train.sources.count("b") == 23


def test_a_head_that_relies_on_what_only_known_generators_have_ranks_low():
    everything = make_plan()
    shared = dataclasses.replace(everything, columns=FEATURE_COLUMNS[:1])
    own = dataclasses.replace(everything, columns=FEATURE_COLUMNS[1:3])
    heads = score_on_source_folds(make_features(), [everything, shared, own])
    aucs = [head.get_metrics()["val_auc"] for head in heads]
    assert aucs[1] > 0.85 and aucs[1] > aucs[0] and aucs[2] < 0.6
    assert all(len(head.history["val_loss"]) == 1 and not head.weights for head in heads)


def test_the_auc_is_of_all_sources_left_out_together_and_each_weighs_the_same():
    features = make_features()
    plan = make_plan()
    (head,) = score_on_source_folds(features, [plan])
    scores, labels, weights = [], [], []
    for fold in make_source_folds(features):
        kernel, bias = fit_logistic_head(fold, plan)
        mean, variance = fold.mean_and_variance
        x = (fold.validation.values[:, 0] - mean) / np.sqrt(variance + 1e-6)
        scores.append(x @ kernel[:, 0] + bias)
        labels.append(fold.validation.labels)
        n_sources = {0: len(REAL), 1: len(GENERATED)}
        weights += [1 / n_sources[label] / 24 for label in fold.validation.labels]
    expected = roc_auc_score(np.concatenate(labels), np.concatenate(scores), sample_weight=weights)
    assert head.get_metrics()["val_auc"] == pytest.approx(expected, abs=1e-3)


def test_ranking_by_sources_left_out_takes_four_of_each_class():
    features = make_features()
    labels, sources = features.train.labels, features.train.sources
    assert has_many_sources(labels, sources)
    kept = np.array(sources) != "w"
    assert not has_many_sources(labels[kept], np.array(sources)[kept].tolist())
