"""Damaged caches are computed again, and nothing is read but what was written."""

import random
import shutil

import numpy as np
import pytest

from data_collection.dataset.manifest import FaceRecord
from faults import kills
from finetuning import unfreezing
from finetuning.boundary import row_cache, split_models
from runtime import hashing, library_versions
from toys.images import encode_image, make_image
from training import dataset
from training.baselines import scratch_models, scratch_results
from training.baselines.scratch_results import ScratchResult
from training.bases import weights as base_weights
from training.detectors import card, detector_parts
from training.features import feature_cache
from training.features.extractor import Extractor
from validation import predictions

FLIPS, KILLS = 250, 2


@pytest.fixture
def generator() -> random.Random:
    """Draw moments and positions; pytest shows the seed if a test fails."""
    seed = random.randrange(10**6)
    print("seed", seed)
    return random.Random(seed)


@pytest.fixture(scope="module")
def extractor(cache) -> Extractor:
    return Extractor(
        base_weights.find_base_weights("mobilenet_v2", "random"), (32,), 32, engine="onnxruntime"
    )


def flip_bit(data: bytes, generator: random.Random) -> bytes:
    """Flip a bit anywhere, or in the first or last kilobyte, where headers are."""
    offset = generator.randrange(min(1000, len(data)))
    position = generator.choice([offset, -1 - offset, generator.randrange(len(data))])
    flipped = bytearray(data)
    flipped[position] ^= 1 << generator.randrange(8)
    return bytes(flipped)


def test_a_flipped_bit_of_kept_features_is_noticed_or_changes_nothing(
    tmp_path, extractor, generator, capsys
):
    data = encode_image(make_image(1, 64))
    (tmp_path / "1.png").write_bytes(data)
    record = FaceRecord(
        id=hashing.hash_bytes(data),
        label="real",
        source="toys",
        file="1",
        status="accepted",
        original="1.png",
    )
    fresh = feature_cache.load_or_compute_features(tmp_path, [record], extractor, range(1)).values
    (chunk,) = tmp_path.rglob("view*.npz")
    undamaged, n_computed = chunk.read_bytes(), 0
    for _ in range(FLIPS):
        chunk.write_bytes(flip_bit(undamaged, generator))
        table = feature_cache.load_or_compute_features(tmp_path, [record], extractor, range(1))
        assert np.array_equal(table.values, fresh)
        n_computed += table.forward_passes
    assert (
        FLIPS / 2
        < n_computed
        == capsys.readouterr().err.count("is damaged; its features are computed again")
    )


def test_a_flipped_bit_of_a_model_from_scratch_is_noticed_or_changes_nothing(
    tmp_path, generator, capsys
):
    model = scratch_models.build_scratch_model("logistic", 8)
    weights = [
        np.random.default_rng(0).normal(size=weight.shape).astype(np.float32)
        for weight in model.get_weights()
    ]
    path, history = tmp_path / "logistic.npz", {"val_loss": [0.5], "val_auc": [0.9]}
    scratch_results.save_scratch_result(
        path,
        ScratchResult(
            weights=weights,
            logits=np.array([[0.25], [0.75]]),
            curve=np.ones((2, 2)),
            history=history,
            seconds=3.0,
        ),
    )
    undamaged, n_trained = path.read_bytes(), 0
    for _ in range(FLIPS):
        path.write_bytes(flip_bit(undamaged, generator))
        result = scratch_results.load_scratch_result(path, model, 2)
        n_trained += result is None
        if result:
            assert (
                result.logits.tolist() == [[0.25], [0.75]]
                and result.history == history
                and result.seconds == 3.0
            )
            assert all(
                np.array_equal(read, written)
                for read, written in zip(result.weights, weights, strict=True)
            )
    assert (
        FLIPS / 2
        < n_trained
        == capsys.readouterr().err.count("is damaged; training logistic-8 again")
    )


def test_a_flipped_bit_under_an_unfrozen_block_is_computed_again(
    workplace, tmp_path, generator, capsys
):
    data = dataset.load_dataset(workplace / "data", workplace / "data" / "faces")
    toy = detector_parts.load_detector_parts(workplace / "saved_models" / "toy")
    folder = shutil.copytree(
        data.folder, tmp_path / "data", ignore=shutil.ignore_patterns("boundaries")
    )
    unfrozen = unfreezing.split_into_blocks(toy.base)[:1]
    # The boundary at the pixels, which takes no time.
    boundary = split_models.choose_boundary(toy, unfrozen, 2, max_gigabytes=0)
    fresh, _ = row_cache.load_or_compute_rows(toy, boundary, folder, data.train[:2], [0])
    fresh = [np.array(array) for array in fresh.arrays]
    files, n_passes = sorted(next(folder.glob("boundaries/*/")).iterdir()), 0
    for _ in range(FLIPS // 2):
        path = generator.choice(files)
        path.write_bytes(flip_bit(path.read_bytes(), generator))
        rows, passes = row_cache.load_or_compute_rows(toy, boundary, folder, data.train[:2], [0])
        assert all(
            np.array_equal(read, computed)
            for read, computed in zip(rows.arrays, fresh, strict=True)
        )
        n_passes += passes
    assert (
        n_passes
        == 2 * capsys.readouterr().err.count("is damaged; its rows are computed again")
        > FLIPS / 2
    )


@pytest.mark.parametrize("library", ["pillow", "onnxruntime"])
def test_another_decoder_or_engine_reads_no_old_features_and_needs_no_other_graph(
    extractor, monkeypatch, library
):
    now = library_versions.get_library_versions()
    monkeypatch.setattr(library_versions, "get_library_versions", lambda: {**now, library: "999"})
    later = Extractor(extractor.weights, (32,), 32, engine="onnxruntime")
    assert later.name != extractor.name and later.onnx_path == extractor.onnx_path


def test_other_libraries_than_those_that_make_a_feature_are_nothing_to_it(extractor, monkeypatch):
    now = library_versions.get_library_versions()
    monkeypatch.setattr(
        library_versions, "get_library_versions", lambda: {**now, "scikit-learn": "999"}
    )
    assert Extractor(extractor.weights, (32,), 32, engine="onnxruntime").name == extractor.name


@pytest.mark.parametrize("library", ["pillow", "onnxruntime", "keras", "tensorflow"])
def test_what_a_detector_said_behind_another_library_is_not_taken_for_what_it_says(
    workplace, monkeypatch, library
):
    toy = workplace / "saved_models" / "toy"
    scorer = predictions.load_scorers(toy, card.read_card(toy))[0]
    before, now = scorer.compute_cache_key([]), library_versions.get_library_versions()
    monkeypatch.setattr(library_versions, "get_library_versions", lambda: {**now, library: "999"})
    assert scorer.compute_cache_key([]) != before


@pytest.mark.slow
def test_killed_while_it_extracts_the_table_is_that_of_an_uninterrupted_run_bit_for_bit(
    workplace, tmp_path, generator
):
    assert kills.kill_extraction(workplace, tmp_path, KILLS, generator) > 0
