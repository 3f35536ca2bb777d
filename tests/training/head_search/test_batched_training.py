"""Heads trained together in NumPy equal those that Keras trains one after the other."""

import dataclasses

import keras
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from toys.features import FEATURE_COLUMNS, assign_generators, make_toy_features, make_toy_spec
from training import fitting
from training.features.training_features import TrainingFeatures
from training.head_search import batched_training, head_trainer, heads
from training.head_search.head_spec import HeadSpec
from training.head_search.head_trainer import HeadTrainingPlan

SEVERAL = ("gan", "diffusion", "gan")
SPEC = make_toy_spec(layers=1, units=16, dropout=0.3, weight_decay=1e-2)


def make_features(*names: str) -> TrainingFeatures:
    return assign_generators(make_toy_features(), *names) if names else make_toy_features()


def make_plan(spec: HeadSpec = SPEC, **changes) -> HeadTrainingPlan:
    values = {"spec": spec, "columns": FEATURE_COLUMNS[:20], "epochs": 6, "patience": 10}
    return HeadTrainingPlan(**values | changes)


def are_equal(first: head_trainer.TrainedHead, second: head_trainer.TrainedHead) -> bool:
    weights = zip(first.weights, second.weights, strict=True)
    return first.history == second.history and all(np.array_equal(*pair) for pair in weights)


@pytest.mark.parametrize("names", [(), SEVERAL])
@pytest.mark.parametrize("layers", [0, 1, 2])
def test_from_the_same_weights_in_the_same_order_the_losses_are_those_of_keras(names, layers):
    features, columns, batch = make_features(*names), FEATURE_COLUMNS[:20], 16
    spec = dataclasses.replace(SPEC, layers=layers, dropout=0.0)
    head = heads.build_head(features, columns, spec)
    weights = [
        array
        for layer in head.layers
        if isinstance(layer, keras.layers.Dense)
        for array in layer.get_weights()
    ]
    (trained,) = batched_training.train_heads(
        features, [make_plan(spec, initial_weights=weights)], batch, seed=3
    )
    x, y, x_val, y_val = features.make_arrays(columns)
    weight, weight_val = (
        fitting.compute_balanced_weights(targets.reshape(len(targets), -1))
        for targets in (y, y_val)
    )
    weight_val = weight_val if names else np.ones_like(weight_val)
    validation = x_val, np.maximum(y_val, 0), weight_val
    for epoch in range(6):
        order = np.random.default_rng([3, epoch]).permutation(len(x))
        rows = {
            "x": x[order],
            "y": np.maximum(y, 0)[order],
            "sample_weight": weight[order],
            "batch_size": batch,
        }
        logs = head.fit(**rows, validation_data=validation, shuffle=False, verbose=0).history
        for name in ("loss", "val_loss"):
            assert trained.history[name][epoch] == pytest.approx(logs[name][0], rel=1e-4), (
                epoch,
                name,
            )
    logits = np.ravel(head.predict_on_batch(x_val))  # Keras' own AUC has 200 thresholds
    expected = roc_auc_score(validation[1].ravel(), logits, sample_weight=weight_val.ravel())
    assert trained.history["val_auc"][-1] == pytest.approx(expected, abs=1e-3)


def test_the_result_of_a_head_does_not_depend_on_the_others():
    features = make_features(*SEVERAL)
    linear = dataclasses.replace(SPEC, layers=0, dropout=0.5)
    deep = dataclasses.replace(SPEC, layers=2)
    plans = [
        make_plan(seed=(0, 1)),
        make_plan(linear, seed=(0, 2)),
        make_plan(deep, columns=FEATURE_COLUMNS, seed=(0, 3)),
        make_plan(first_epoch=2, seed=(0, 4)),
    ]
    together = batched_training.train_heads(features, plans, 16, seed=0)
    alone = [
        batched_training.train_heads(features, [plan], 16, seed=0)[0] for plan in reversed(plans)
    ]
    assert all(map(are_equal, together, reversed(alone)))
    (other_seed,) = batched_training.train_heads(features, [make_plan(seed=(0, 2))], 16, seed=0)
    assert not are_equal(together[0], other_seed)
    assert len(together[3].history["loss"]) == 4


def test_it_learns_and_keeps_the_weights_of_its_best_epoch():
    features = make_features()
    fast = dataclasses.replace(SPEC, layers=0, learning_rate=0.03)
    (head,) = batched_training.train_heads(
        features, [make_plan(fast, epochs=200, patience=4)], 16, seed=0
    )
    curve = head.history["val_loss"]
    best = head.best_epoch
    assert head.history["val_auc"][best] > 0.95
    assert len(curve) < 200 and len(curve) == best + 5 and min(curve) == curve[best]
    still = dataclasses.replace(fast, learning_rate=1e-12, weight_decay=0.0, dropout=0.0)
    (again,) = batched_training.train_heads(
        features, [make_plan(still, epochs=1, initial_weights=head.weights)], 16, seed=0
    )
    assert again.history["val_loss"][0] == pytest.approx(min(curve), rel=1e-5)


def test_a_head_whose_loss_is_no_number_ends_and_the_others_go_on():
    broken = dataclasses.replace(SPEC, learning_rate=1e30, dropout=0.0)
    bad, good = batched_training.train_heads(
        make_features(), [make_plan(broken), make_plan()], 16, seed=0
    )
    assert bad.diverged and len(bad.history["loss"]) < 6
    assert not good.diverged and len(good.history["loss"]) == 6


def test_auc_with_ties_and_weights():
    generator = np.random.default_rng(0)
    labels, scores, weights = (
        generator.integers(0, 2, 200),
        generator.integers(0, 20, 200) / 4,
        generator.random(200),
    )
    expected = roc_auc_score(labels, scores, sample_weight=weights)
    assert head_trainer.compute_weighted_auc(scores, labels, weights) == pytest.approx(expected)
    assert np.isnan(head_trainer.compute_weighted_auc(scores, np.ones(200), weights))
