"""What disks and crashes do to caches: whatever is damaged is computed again, and nothing else is read than was written."""

import random
import shutil

import numpy as np
import pytest

import kills
from data_collection import face_images
from data_collection.manifest import FaceRecord
from finetuning import boundary_cache, parent, unfreezing
from toys import encoded, picture
from training import base_weights, dataset, feature_cache, saved_models, scratch_models, scratch_results
from training.feature_cache import Extractor
from training.scratch_results import Result
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
    return Extractor(base_weights.find("mobilenet_v2", "random"), (32,), 32, engine="onnxruntime")


def flipped(data: bytes, draw: random.Random) -> bytes:
    """The same with a bit of the first or last kilobyte, where headers are, or of anywhere, turned."""
    near, anywhere = draw.randrange(min(1000, len(data))), draw.randrange(len(data))
    place = draw.choice([near, -1 - near, anywhere])
    changed = bytearray(data)
    changed[place] ^= 1 << draw.randrange(8)
    return bytes(changed)


def test_a_flipped_bit_of_kept_features_is_noticed_or_changes_nothing(tmp_path, extractor, draw, capsys):
    data = encoded(picture(1, 64))
    (tmp_path / "1.png").write_bytes(data)
    record = FaceRecord(face_images.content_id(data), "real", "toys", "1", "accepted", original="1.png")
    fresh = feature_cache.features(tmp_path, [record], extractor, 1).values
    (chunk,) = tmp_path.rglob("view*.npz")
    kept, again = chunk.read_bytes(), 0
    for _ in range(FLIPS):
        chunk.write_bytes(flipped(kept, draw))
        table = feature_cache.features(tmp_path, [record], extractor, 1)
        assert np.array_equal(table.values, fresh)
        again += table.forward_passes
    assert FLIPS / 2 < again == capsys.readouterr().err.count("is damaged; its features are computed again")


def test_a_flipped_bit_of_a_model_from_scratch_is_noticed_or_changes_nothing(tmp_path, draw, capsys):
    model = scratch_models.build("logistic", 8)
    weights = [np.random.default_rng(0).normal(size=weight.shape).astype(np.float32) for weight in model.get_weights()]
    path, history = tmp_path / "logistic.npz", {"val_loss": [0.5], "val_auc": [0.9]}
    scratch_results.keep(path, Result(weights, np.array([0.25, 0.75]), np.ones((2, 2)), history, 3.0))
    kept, again = path.read_bytes(), 0
    for _ in range(FLIPS):
        path.write_bytes(flipped(kept, draw))
        found = scratch_results.read(path, model, 2)
        again += found is None
        if found:
            assert found.probabilities.tolist() == [0.25, 0.75] and found.history == history and found.seconds == 3.0
            assert all(np.array_equal(one, other) for one, other in zip(found.weights, weights, strict=True))
    assert FLIPS / 2 < again == capsys.readouterr().err.count("is damaged; logistic-8 is trained again")


def test_a_flipped_bit_under_an_opened_block_is_computed_anew(workplace, tmp_path, draw, capsys):
    data = dataset.read(workplace / "data", workplace / "data" / "faces")
    toy = parent.read(workplace / "saved_models" / "toy")
    folder = shutil.copytree(data.folder, tmp_path / "data", ignore=shutil.ignore_patterns("boundaries"))
    opened = unfreezing.blocks(toy.base, toy.card.base["name"])[:1]
    boundary = boundary_cache.choose(toy, opened, 2, disk=0)  # the pixels, which take no time
    fresh, _ = boundary_cache.rows(toy, boundary, folder, data.train[:2], 1)
    fresh = [np.array(array) for array in fresh.arrays]
    files, again = sorted(next(folder.glob("boundaries/*/")).iterdir()), 0
    for _ in range(FLIPS // 2):
        path = draw.choice(files)
        path.write_bytes(flipped(path.read_bytes(), draw))
        found, passes = boundary_cache.rows(toy, boundary, folder, data.train[:2], 1)
        assert all(np.array_equal(one, other) for one, other in zip(found.arrays, fresh, strict=True))
        again += passes
    assert again == 2 * capsys.readouterr().err.count("is damaged; its rows are computed again") > FLIPS / 2


@pytest.mark.parametrize("library", ["pillow", "onnxruntime"])
def test_another_decoder_or_engine_reads_no_old_features_and_needs_no_other_graph(extractor, monkeypatch, library):
    now = saved_models.versions()
    monkeypatch.setattr(saved_models, "versions", lambda: {**now, library: "999"})
    later = Extractor(extractor.weights, (32,), 32, engine="onnxruntime")
    assert later.name != extractor.name and later.onnx_path == extractor.onnx_path


def test_other_libraries_than_those_that_make_a_feature_are_nothing_to_it(extractor, monkeypatch):
    now = saved_models.versions()
    monkeypatch.setattr(saved_models, "versions", lambda: {**now, "scikit-learn": "999"})
    assert Extractor(extractor.weights, (32,), 32, engine="onnxruntime").name == extractor.name


@pytest.mark.parametrize("library", ["pillow", "onnxruntime", "keras", "tensorflow"])
def test_what_a_detector_said_behind_another_library_is_not_taken_for_what_it_says(workplace, monkeypatch, library):
    toy = workplace / "saved_models" / "toy"
    judge = predictions.judges(toy, saved_models.read_card(toy))[0]
    before, now = judge.key([]), saved_models.versions()
    monkeypatch.setattr(saved_models, "versions", lambda: {**now, library: "999"})
    assert judge.key([]) != before


@pytest.mark.slow
def test_killed_while_it_extracts_the_table_is_that_of_an_uninterrupted_run_bit_for_bit(workplace, tmp_path, draw):
    assert kills.extraction(workplace, tmp_path, KILLS, draw) > 0
