"""Heads trained together in NumPy are those that Keras trains one by one."""

import dataclasses

import keras
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from toys.features import FEATURE_COLUMNS, FEATURE_WIDTH, assign_generators, make_toy_features
from training import fitting
from training.features import training_features
from training.head_search import batched_training, head_trainer, heads
from training.head_search.head_trainer import HeadTrainingPlan

SEVERAL = ("gan", "diffusion", "gan")


def faces_of(*names: str) -> training_features.TrainingFeatures:
    return assign_generators(make_toy_features(), *names) if names else make_toy_features()


def plan(**changes) -> HeadTrainingPlan:
    return dataclasses.replace(
        HeadTrainingPlan(FEATURE_COLUMNS[:20], 1, 16, 0.3, 1e-2, 1e-3, epochs=6, patience=10),
        **changes,
    )


def alike(one: head_trainer.TrainedHead, other: head_trainer.TrainedHead) -> bool:
    weights = zip(one.weights, other.weights, strict=True)
    return one.history == other.history and all(np.array_equal(*pair) for pair in weights)


@pytest.mark.parametrize("names", [(), SEVERAL])
@pytest.mark.parametrize("layers", [0, 1, 2])
def test_from_the_same_weights_in_the_same_order_the_losses_are_those_of_keras(names, layers):
    faces, columns, batch = faces_of(*names), FEATURE_COLUMNS[:20], 16
    head = heads.build_head(faces, columns, layers, 16, 0.0, 1e-2, 1e-3)
    weights = [
        array
        for layer in head.layers
        if isinstance(layer, keras.layers.Dense)
        for array in layer.get_weights()
    ]
    (trained,) = batched_training.train_heads(
        faces, [plan(layers=layers, dropout=0.0, weights=weights)], batch, seed=3
    )
    x, y, x_val, y_val = faces.arrays(columns)
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
    said = np.ravel(head.predict_on_batch(x_val))  # Keras' own AUC has 200 thresholds
    expected = roc_auc_score(validation[1].ravel(), said, sample_weight=weight_val.ravel())
    assert trained.history["val_auc"][-1] == pytest.approx(expected, abs=1e-3)


def test_what_becomes_of_a_head_does_not_depend_on_the_others():
    faces = faces_of(*SEVERAL)
    plans = [
        plan(seed=(0, 1)),
        plan(layers=0, dropout=0.5, seed=(0, 2)),
        plan(layers=2, columns=FEATURE_COLUMNS, seed=(0, 3)),
    ]
    plans.append(plan(first_epoch=2, seed=(0, 4)))
    together = batched_training.train_heads(faces, plans, 16, seed=0)
    alone = [batched_training.train_heads(faces, [each], 16, seed=0)[0] for each in reversed(plans)]
    assert all(alike(one, other) for one, other in zip(together, reversed(alone), strict=True))
    assert not alike(
        together[0], batched_training.train_heads(faces, [plan(seed=(0, 2))], 16, seed=0)[0]
    )
    assert len(together[3].history["loss"]) == 4


def test_it_learns_and_keeps_the_weights_of_its_best_epoch():
    faces = faces_of()
    (head,) = batched_training.train_heads(
        faces, [plan(layers=0, epochs=200, patience=4, rate=0.03)], 16, seed=0
    )
    curve = head.history["val_loss"]
    assert head.history["val_auc"][head.best] > 0.95
    assert len(curve) < 200 and len(curve) == head.best + 5 and min(curve) == curve[head.best]
    again = batched_training.train_heads(
        faces,
        [plan(layers=0, epochs=1, rate=1e-12, decay=0, dropout=0.0, weights=head.weights)],
        16,
        seed=0,
    )[0]
    assert again.history["val_loss"][0] == pytest.approx(min(curve), rel=1e-5)


def test_dropout_takes_its_share_and_keeps_the_mean():
    x = np.ones((64, FEATURE_WIDTH * 8), dtype=np.float32)
    shown = batched_training._apply_dropout(x, {0.0, 0.2, 0.6}, np.random.default_rng(0))
    assert shown[0.0] is x
    for rate in (0.2, 0.6):
        assert np.mean(shown[rate] == 0) == pytest.approx(rate, abs=0.02)
        assert shown[rate].mean() == pytest.approx(1, abs=0.03)


def test_a_head_whose_loss_is_no_number_ends_and_the_others_go_on():
    faces = faces_of()
    broken = plan(rate=1e30, dropout=0.0)
    bad, good = batched_training.train_heads(faces, [broken, plan()], 16, seed=0)
    assert bad.diverged and len(bad.history["loss"]) < 6
    assert not good.diverged and len(good.history["loss"]) == 6


def test_auc_with_ties_and_weights():
    draw = np.random.default_rng(0)
    labels, scores, weights = (
        draw.integers(0, 2, 200),
        draw.integers(0, 20, 200) / 4,
        draw.random(200),
    )
    expected = roc_auc_score(labels, scores, sample_weight=weights)
    assert head_trainer.compute_weighted_auc(scores, labels, weights) == pytest.approx(expected)
    assert np.isnan(head_trainer.compute_weighted_auc(scores, np.ones(200), weights))
