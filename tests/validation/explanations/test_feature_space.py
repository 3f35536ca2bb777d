"""Neighbours, the map, and a negative control that notices a leak."""

import importlib.util

import numpy as np
import pytest

from data_collection.dataset.manifest import FaceRecord
from runtime import console
from validation.explanations import feature_space, negative_controls


def rows(count: int, group: str = "", sources: tuple[str, ...] = ("a",)) -> list[FaceRecord]:
    return [
        FaceRecord(
            id=str(n),
            label=("real", "generated")[n % 2],
            source=sources[n % len(sources)],
            file=f"{n}.png",
            status="accepted",
            group=f"{group}{n}",
        )
        for n in range(count)
    ]


def values(count: int, seed: int = 0, distance: float = 3.0) -> np.ndarray:
    """Features of which the first depends on the label."""
    noise = np.random.default_rng(seed).normal(size=(count, 30))
    noise[:, 0] += distance * (np.arange(count) % 2)
    return noise.astype(np.float32)


def test_shuffled_labels_are_a_coin_where_no_group_crosses_the_splits():
    control = negative_controls.evaluate_shuffled_labels(
        values(200), rows(200, "train"), values(100, 1), rows(100, "test")
    )
    assert control.at_chance and control.low < 0.5 < control.high
    assert control.true_label_auc > 0.9


def test_shuffled_labels_give_a_crossing_group_away():
    """With nearly the same images in both splits, even shuffled labels are predicted."""
    training = values(200)
    near_duplicates = training[:100] + 0.01
    leaking = negative_controls.evaluate_shuffled_labels(
        training, rows(200, "same"), near_duplicates, rows(100, "same")
    )
    assert not leaking.at_chance and leaking.mean > 0.6


def test_neighbours_share_a_label_that_the_features_know_and_no_source_that_they_do_not():
    label, source = feature_space.compute_neighbour_purities(
        values(200, distance=30), rows(200, sources=("a", "a", "b", "b"))
    )
    assert (label.share, label.chance) == (1, pytest.approx(99 / 199))
    assert source.share == pytest.approx(0.5, abs=0.1) and source.chance == pytest.approx(49 / 199)


def test_neighbours_of_the_same_group_do_not_count():
    twins = np.repeat(values(40, distance=0), 2, axis=0)
    records = [
        FaceRecord(
            id=str(n), label="real", source="a", file="", status="accepted", group=str(n // 2)
        )
        for n in range(80)
    ]
    mixed = [
        FaceRecord(
            id=r.id,
            label="generated" if n % 4 > 1 else "real",
            source="a",
            file="",
            status="accepted",
            group=r.group,
        )
        for n, r in enumerate(records)
    ]
    label, _ = feature_space.compute_neighbour_purities(twins, mixed)
    assert label.share == pytest.approx(0.5, abs=0.12)  # twins would bring it to .55 and more


def test_a_map_is_the_same_every_time_and_keeps_neighbours_together():
    features = values(60, distance=30)
    points = feature_space.project_features(features, "t-sne")
    assert np.array_equal(points, feature_space.project_features(features, "t-sne"))
    label, _ = feature_space.compute_neighbour_purities(points, rows(60))
    assert label.share > 0.95


def test_umap_is_an_extra_with_a_sentence(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(console.PlainError, match="pip install -r requirements-umap.txt"):
        feature_space.check_projection_installed("umap")
    feature_space.check_projection_installed("t-sne")
