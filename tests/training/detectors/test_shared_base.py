"""Model files without the weights of their base are restored bit for bit, or refused."""

import dataclasses
import json
import shutil
import types

import keras
import numpy as np
import pytest

from runtime import console, hashing
from toys import bases
from training.bases import loaded_base, memory_check
from training.bases import weights as base_weights
from training.bases.tower_presets import TOWER_PRESETS
from training.detectors import assembly, detector_files, safe_keras, saved_models, shared_base
from training.detectors.card_fields import BaseDescription
from training.features import layout

BASE = BaseDescription(
    name="dinov2_small",
    origin="random",
    sha256=base_weights.RANDOM_WEIGHTS_ID,
    note="",
    sizes=(224,),
    signals=("picture",),
)


@pytest.fixture(scope="module", autouse=True)
def narrow_towers():
    with pytest.MonkeyPatch.context() as patch:
        bases.use_narrow_towers(patch)
        preset = TOWER_PRESETS[BASE.name]
        tower = dataclasses.replace(preset.tower, blocks=2)
        patch.setitem(TOWER_PRESETS, BASE.name, dataclasses.replace(preset, tower=tower))
        yield
    shared_base._list_array_bytes.cache_clear()


@pytest.fixture(scope="module")
def whole(narrow_towers, tmp_path_factory):
    """The files of a detector as they are first written, a baseline beside them."""
    folder = tmp_path_factory.mktemp("whole")
    base = loaded_base.load_base(base_weights.find_base_weights(BASE.name, "random"))
    columns = [c for c in layout.list_columns(base, (224,)) if c.tap in ("block0", "block1")]
    head = keras.Sequential(
        [keras.Input((sum(c.stop - c.start for c in columns),)), keras.layers.Dense(1)]
    )
    model = assembly.build_detector_model(base, 224, [assembly.EnsembleMember(columns, head, 1.0)])
    detector_files.write_model_files(model, folder)
    (folder / "baselines").mkdir()
    shutil.copyfile(folder / "detector.onnx", folder / "baselines" / "linear.onnx")
    (folder / "baselines" / "cnn.onnx").write_bytes(b"a model without the base")
    return folder


@pytest.fixture
def detached(whole, tmp_path, monkeypatch):
    """A copy of that folder without the base, and the hashes of the whole files."""
    monkeypatch.setenv("TELLTALE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "detector"
    shutil.copytree(whole, folder)
    hashes = detector_files.hash_model_files(folder)
    shared_base.detach_base(folder, BASE)
    yield folder, types.SimpleNamespace(sha256=hashes, image_size=224)
    shared_base.restore_file.cache_clear()


def test_the_base_is_left_out_of_every_file_and_restored_bit_for_bit(whole, detached):
    folder, card = detached
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))
    assert names == [
        "baselines/cnn.onnx",
        "baselines/linear.onnx.parts",
        "detector.keras.parts",
        "detector.onnx.parts",
    ]
    for file in card.sha256.keys() - {"baselines/cnn.onnx"}:
        expected = (whole / file).read_bytes()
        left = (folder / f"{file}.parts").stat().st_size
        assert left < len(expected) - 4 * 257 * 16 - 4 * 588 * 16 + 2000
        assert saved_models.read_verified_model(folder, card, file) == expected
        path = saved_models.verify_model_file(folder, card, file)
        assert path.read_bytes() == expected and not path.is_relative_to(folder)
    assert detector_files.hash_model_files(folder) == card.sha256
    keras_file = saved_models.verify_model_file(folder, card, "detector.keras")
    assert safe_keras.load_keras_model(keras_file).input_shape == (None, 224, 224, 3)


def test_the_weights_are_one_file_that_is_made_again_if_it_is_gone(detached, tmp_path):
    folder, card = detached
    (stored,) = (tmp_path / "cache" / "bases").iterdir()
    before = hashing.hash_file(stored)
    stored.unlink()
    assert saved_models.read_verified_model(folder, card, "detector.onnx")
    assert hashing.hash_file(stored) == before


def test_what_is_altered_damaged_or_of_other_weights_is_refused(detached, tmp_path):
    folder, card = detached
    (stored,) = (tmp_path / "cache" / "bases").iterdir()
    weights = np.fromfile(stored, np.float32)
    (weights + 1).tofile(stored)
    with pytest.raises(
        console.PlainError, match="or the weights of its base in .*bases, were altered"
    ):
        saved_models.read_verified_model(folder, card, "detector.onnx")
    weights.tofile(stored)
    parts = folder / "detector.onnx.parts"
    line, rest = parts.read_bytes().split(b"\n", 1)
    header = json.loads(line)
    for content in (
        rest,
        line[:-1],
        line + b"\n" + rest[:-1],
        json.dumps({**header, "weights_sha256": "../../secret"}).encode() + b"\n" + rest,
        json.dumps({**header, "base": "mobilenet_v2"}).encode() + b"\n" + rest,
    ):
        parts.write_bytes(content)
        with pytest.raises(console.PlainError, match=r"detector\.onnx\.parts is damaged"):
            saved_models.read_verified_model(folder, card, "detector.onnx")
    parts.write_bytes(json.dumps({**header, "weights_sha256": "0" * 64}).encode() + b"\n" + rest)
    with pytest.raises(console.PlainError, match="needs the weights 000000000000 of dinov2_small"):
        saved_models.read_verified_model(folder, card, "detector.onnx")


def test_parts_that_would_fill_the_memory_are_refused(detached, monkeypatch):
    folder, card = detached
    monkeypatch.setattr(shared_base, "MAX_REST_BYTES", 1000)
    with pytest.raises(console.PlainError, match=r"detector\.onnx\.parts is damaged"):
        saved_models.read_verified_model(folder, card, "detector.onnx")


def test_a_detector_that_the_free_memory_cannot_hold_is_refused(detached, tmp_path, monkeypatch):
    folder, card = detached
    monkeypatch.setattr(memory_check, "MEMORY_FILE", tmp_path / "meminfo")
    (tmp_path / "meminfo").write_text("MemAvailable: 1 kB\n")
    with pytest.raises(
        console.PlainError, match=r"^detector needs about .* --model telltale-faces"
    ):
        saved_models.read_verified_model(folder, card, "detector.onnx")


def test_small_bases_and_weights_that_a_user_named_stay_in_their_files(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "detector")
    for base in (
        dataclasses.replace(BASE, name="mobilenet_v2"),
        dataclasses.replace(BASE, origin="file"),
    ):
        shared_base.detach_base(tmp_path / "detector", base)
    assert (tmp_path / "detector" / "detector.onnx").is_file()
    assert not list((tmp_path / "detector").rglob("*.parts"))
