"""What disks and crashes do to caches: whatever is damaged is computed again, and nothing else is
read than was written."""

import random
import shutil

import numpy as np
import pytest

from data_collection.dataset.manifest import FaceRecord
from faults import kills
from finetuning import boundary_cache, boundary_models, unfreezing
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
def draw() -> random.Random:
    """Of moments and places; pytest shows the seed where a test fails."""
    seed = random.randrange(10**6)
    print("seed", seed)
    return random.Random(seed)


@pytest.fixture(scope="module")
def extractor(cache) -> Extractor:
    return Extractor(
        base_weights.find_base_weights("mobilenet_v2", "random"), (32,), 32, engine="onnxruntime"
    )


def flipped(data: bytes, draw: random.Random) -> bytes:
    """The same with a bit of the first or last kilobyte, where headers are, or of anywhere,
    turned."""
    near, anywhere = draw.randrange(min(1000, len(data))), draw.randrange(len(data))
    place = draw.choice([near, -1 - near, anywhere])
    changed = bytearray(data)
    changed[place] ^= 1 << draw.randrange(8)
    return bytes(changed)


def test_a_flipped_bit_of_kept_features_is_noticed_or_changes_nothing(
    tmp_path, extractor, draw, capsys
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
    fresh = feature_cache.load_or_compute_features(tmp_path, [record], extractor, 1).values
    (chunk,) = tmp_path.rglob("view*.npz")
    kept, again = chunk.read_bytes(), 0
    for _ in range(FLIPS):
        chunk.write_bytes(flipped(kept, draw))
        table = feature_cache.load_or_compute_features(tmp_path, [record], extractor, 1)
        assert np.array_equal(table.values, fresh)
        again += table.forward_passes
    assert (
        FLIPS / 2
        < again
        == capsys.readouterr().err.count("is damaged; its features are computed again")
    )


def test_a_flipped_bit_of_a_model_from_scratch_is_noticed_or_changes_nothing(
    tmp_path, draw, capsys
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
            probabilities=np.array([0.25, 0.75]),
            curve=np.ones((2, 2)),
            history=history,
            seconds=3.0,
        ),
    )
    kept, again = path.read_bytes(), 0
    for _ in range(FLIPS):
        path.write_bytes(flipped(kept, draw))
        found = scratch_results.load_scratch_result(path, model, 2)
        again += found is None
        if found:
            assert (
                found.probabilities.tolist() == [0.25, 0.75]
                and found.history == history
                and found.seconds == 3.0
            )
            assert all(
                np.array_equal(one, other)
                for one, other in zip(found.weights, weights, strict=True)
            )
    assert (
        FLIPS / 2 < again == capsys.readouterr().err.count("is damaged; training logistic-8 again")
    )


def test_a_flipped_bit_under_an_opened_block_is_computed_anew(workplace, tmp_path, draw, capsys):
    data = dataset.load_dataset(workplace / "data", workplace / "data" / "faces")
    toy = detector_parts.load_detector_parts(workplace / "saved_models" / "toy")
    folder = shutil.copytree(
        data.folder, tmp_path / "data", ignore=shutil.ignore_patterns("boundaries")
    )
    opened = unfreezing.split_into_blocks(toy.base)[:1]
    boundary = boundary_models.choose_boundary(
        toy, opened, 2, max_gigabytes=0
    )  # the pixels, which take no time
    fresh, _ = boundary_cache.load_or_compute_rows(toy, boundary, folder, data.train[:2], 1)
    fresh = [np.array(array) for array in fresh.arrays]
    files, again = sorted(next(folder.glob("boundaries/*/")).iterdir()), 0
    for _ in range(FLIPS // 2):
        path = draw.choice(files)
        path.write_bytes(flipped(path.read_bytes(), draw))
        found, passes = boundary_cache.load_or_compute_rows(
            toy, boundary, folder, data.train[:2], 1
        )
        assert all(
            np.array_equal(one, other) for one, other in zip(found.arrays, fresh, strict=True)
        )
        again += passes
    assert (
        again
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
    workplace, tmp_path, draw
):
    assert kills.extraction(workplace, tmp_path, KILLS, draw) > 0
