"""Training on cached activations is training the whole model; the frozen part runs once."""

import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest

from finetuning.boundary import row_cache
from finetuning.boundary.row_cache import load_or_compute_rows
from finetuning.boundary.split_models import build_tail, choose_boundary
from finetuning.unfreezing import unfreeze_blocks
from runtime import console
from toys.commands import mount_small_disk
from training.detectors import assembly
from training.features import layout as feature_layout
from training.features import pixels as feature_pixels

STEPS = 10
SGD_RATE = 0.001


def train_ten_steps(parts, blocks, boundary, rows, labels) -> list[float]:
    """Train from the saved weights, with the same dropout in every call; return the losses."""
    parts.restore_weights()
    parts.reseed_dropout(0)
    model = build_tail(parts, boundary)
    unfreeze_blocks(parts.base, blocks)
    # Adam divides by gradients near 0, which enlarges the roundings of some processors.
    optimizer = keras.optimizers.SGD(SGD_RATE)
    model.compile(optimizer, keras.losses.BinaryCrossentropy(from_logits=True))
    images, views = np.arange(len(labels)), np.zeros(len(labels), dtype=int)
    x = rows[images, views]
    return [
        float(model.train_on_batch(x, labels[:, None].astype(np.float32))) for _ in range(STEPS)
    ]


class InterruptedRows:
    """A generator of rows that is interrupted after `n_rows` of them; never if that is None."""

    def __init__(self, compute_rows, n_rows: int | None):
        self.compute_rows, self.n_rows = compute_rows, n_rows

    def __call__(self, *args):
        for number, row in enumerate(self.compute_rows(*args)):
            if number == self.n_rows:
                raise KeyboardInterrupt
            yield row


@pytest.mark.parametrize("depth", [1, 3])
def test_the_loss_runs_as_it_does_for_the_whole_model(toy, toy_blocks, data, tmp_path, depth):
    records, unfrozen = data.train[:6] + data.train[-6:], toy_blocks[:depth]
    activations = choose_boundary(toy, unfrozen, len(records), max_gigabytes=1)
    pixels = choose_boundary(toy, unfrozen, len(records), max_gigabytes=0)
    assert (
        activations.tap == unfrozen[-1].tap_below
        and not pixels.tap
        and "over --disk 0" in pixels.pixels_reason
    )
    folder = shutil.copytree(data.folder, tmp_path / "data")
    rows = {
        boundary: load_or_compute_rows(toy, boundary, folder, records, range(1))[0]
        for boundary in (activations, pixels)
    }
    tail_losses, whole_losses = (
        train_ten_steps(toy, unfrozen, boundary, rows[boundary], data.encode_labels(records))
        for boundary in (activations, pixels)
    )
    assert min(whole_losses) < whole_losses[0] and len(set(whole_losses)) == STEPS
    assert np.abs(np.array(tail_losses) / np.array(whole_losses) - 1).max() <= 1e-4


def test_a_tail_of_a_loaded_detector_trains_unfrozen_blocks_and_during_the_warm_up_only_the_heads(
    toy, toy_blocks
):
    model = build_tail(toy, choose_boundary(toy, toy_blocks[:2], 1, max_gigabytes=1))
    heads = {id(weight) for member in toy.members for weight in member.head.trainable_weights}
    for unfrozen, n_weights in (([], 0), (toy_blocks[:2], 4), ([], 0)):
        unfreeze_blocks(toy.base, unfrozen)
        trainable = {id(weight) for weight in model.trainable_weights}
        assert heads <= trainable and len(trainable - heads) == n_weights


def test_the_tail_gives_the_answers_of_the_saved_detector(
    toy, toy_blocks, data, tmp_path, workplace
):
    records = data.validation[:4]
    boundary = choose_boundary(toy, toy_blocks[:2], 8, max_gigabytes=1)
    folder = shutil.copytree(data.folder, tmp_path / "data")
    rows, _ = load_or_compute_rows(toy, boundary, folder, records, range(2))
    saved = keras.saving.load_model(workplace / "saved_models" / "toy" / "detector.keras")
    for view in (0, 1):
        logits = np.asarray(
            build_tail(toy, boundary).predict(rows[np.arange(4), np.full(4, view)], verbose=0)
        )
        pixels = np.stack(
            [
                feature_pixels.load_canonical_view(folder, record, toy.card.image_size, view)
                for record in records
            ]
        )
        probabilities = np.asarray(saved.predict_on_batch(pixels.astype(np.float32)))
        assert np.abs(1 / (1 + np.exp(-logits)) - probabilities).max() < 1e-5


def test_a_head_of_two_signals_keeps_its_answer(toy, toy_blocks, data, tmp_path):
    """Its columns lie below and above the boundary, in another order than the base's."""
    side = toy.card.image_size
    layout = feature_layout.list_columns(toy.base, [side, side // 2], ["residual", "picture"])
    columns = [
        c for c in layout if c.tap in (toy.base.list_tap_names()[0], toy_blocks[0].tap_below)
    ] + layout[-1:]
    head = keras.Sequential(
        [keras.Input((sum(c.stop - c.start for c in columns),)), keras.layers.Dense(1)]
    )
    parts = replace(toy, members=[assembly.EnsembleMember(columns, head, 2.0)])
    boundary = choose_boundary(parts, toy_blocks[:1], 4, max_gigabytes=1)
    assert boundary.tap and len(boundary.shapes) == 5
    folder = shutil.copytree(data.folder, tmp_path / "data")
    rows, _ = load_or_compute_rows(parts, boundary, folder, data.validation[:4], range(1))
    logits = np.asarray(
        build_tail(parts, boundary).predict(rows[np.arange(4), np.zeros(4, dtype=int)], verbose=0)
    )
    pixels = np.stack(
        [
            feature_pixels.load_canonical_view(folder, record, side, 0)
            for record in data.validation[:4]
        ]
    )
    detector = assembly.build_detector_model(toy.base, side, parts.members)
    probabilities = np.asarray(detector.predict_on_batch(pixels.astype(np.float32)))
    assert np.abs(1 / (1 + np.exp(-logits)) - probabilities).max() < 1e-5


def test_frozen_blocks_run_once_and_an_interrupted_run_is_resumed(
    toy, toy_blocks, data, tmp_path, monkeypatch
):
    compute_rows = InterruptedRows(row_cache._compute_rows, 20)
    monkeypatch.setattr(row_cache, "ROWS_PER_CHECKPOINT", 8)
    monkeypatch.setattr(row_cache, "_compute_rows", compute_rows)
    folder = shutil.copytree(data.folder, tmp_path / "data")
    boundary = choose_boundary(toy, toy_blocks[:1], 24, max_gigabytes=1)
    with pytest.raises(KeyboardInterrupt):
        load_or_compute_rows(toy, boundary, folder, data.train[:12], range(2))
    compute_rows.n_rows = None
    resumed, passes = load_or_compute_rows(toy, boundary, folder, data.train[:12], range(2))
    assert passes == 8
    assert load_or_compute_rows(toy, boundary, folder, data.train[:12], range(2))[1] == 0
    shutil.rmtree(folder / "boundaries")
    uninterrupted, passes = load_or_compute_rows(toy, boundary, folder, data.train[:12], range(2))
    assert passes == 24
    assert all(
        np.array_equal(array, expected)
        for array, expected in zip(resumed.arrays, uninterrupted.arrays, strict=True)
    )


def test_a_truncated_array_is_computed_again(toy, toy_blocks, data, tmp_path):
    folder = shutil.copytree(data.folder, tmp_path / "data")
    boundary = choose_boundary(toy, toy_blocks[:1], 4, max_gigabytes=1)
    load_or_compute_rows(toy, boundary, folder, data.train[:4], range(1))
    path = next(folder.glob("boundaries/*/0.npy"))
    path.write_bytes(path.read_bytes()[:100])
    assert load_or_compute_rows(toy, boundary, folder, data.train[:4], range(1))[1] == 4


def test_a_full_disk_is_reported_before_anything_is_computed(toy, toy_blocks, data, tmp_path):
    folder = shutil.copytree(data.folder, tmp_path / "data")
    with (
        mount_small_disk(folder / "boundaries", "100k"),
        pytest.raises(console.PlainError, match=r"needs 2 MB, but only 0 MB are free\. Make room"),
    ):
        load_or_compute_rows(
            toy,
            choose_boundary(toy, toy_blocks[:3], 112, max_gigabytes=1),
            folder,
            data.train,
            range(2),
        )


def test_another_detector_or_other_images_are_another_cache(toy, toy_blocks, data):
    boundary = choose_boundary(toy, toy_blocks[:1], 4, max_gigabytes=1)
    other = replace(toy, card=replace(toy.card, sha256={"detector.keras": "0"}))
    keys = {
        row_cache._make_cache_key(parts, boundary, records, views)
        for parts, records, views in (
            (toy, data.train, [0]),
            (other, data.train, [0]),
            (toy, data.validation, [0]),
            (toy, data.train, range(2)),
        )
    }
    assert len(keys) == 4


def test_low_blocks_start_from_the_pixels_because_their_activations_are_larger(toy, toy_blocks):
    whole_base = choose_boundary(toy, toy_blocks, 4, max_gigabytes=1)
    assert (whole_base.tap, whole_base.pixels_reason) == ("", "")
    depth = next(n for n, block in enumerate(toy_blocks, 1) if block.tap_below == "block0")
    boundary = choose_boundary(toy, toy_blocks[:depth], 4, max_gigabytes=1)
    assert "exceed the pixels" in boundary.pixels_reason
