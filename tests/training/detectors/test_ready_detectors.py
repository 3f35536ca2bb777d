"""A detector that comes with Telltale is small, whole, licensed, and shows no person; its name is
taken."""

import json
import lzma
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from runtime import console, hashing
from training.detectors import ready_detectors, saved_models, shared_base
from training.detectors.card import CARD_FILE, Card, read_card

MAX_BYTES = 24_000_000
TEXTS = (".html", ".json", ".jsonl", ".md")
MODELS = (saved_models.KERAS_FILE, saved_models.ONNX_FILE)
PARTS = tuple(f"{name}{shared_base.PARTS_SUFFIX}" for name in MODELS)
COMMITTED = {CARD_FILE, "LICENSE.md", "README.md", "explainer", "report", *MODELS, *PARTS}

MAX_BYTES_WITHOUT_BASE = 2_000_000
"""Largest size of the models of a detector whose base is fetched."""


def find_faults(folder: Path) -> list[str]:
    """Return what must not be in the repository, of the files that .gitignore lets in."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    files = [path for path in files if path.relative_to(folder).parts[0] in COMMITTED]
    names = {path.relative_to(folder).as_posix() for path in files}
    models = PARTS if PARTS[0] in names else MODELS
    faults = [f"{name} is missing" for name in {CARD_FILE, "LICENSE.md", *models} - names]
    if sum(path.stat().st_size for path in files) > MAX_BYTES:
        faults.append("too large")
    faults += [path.name for path in files if path.suffix in (".jpg", ".jpeg")]
    for path in files:
        text = path.read_text() if path.suffix in TEXTS else ""
        if re.search(r'class="face"|data:image/jpeg|id="map-pictures"', text):
            faults.append(f"{path.name} shows pictures")
        if re.search(r"[\"' (]/(home|root|tmp|Users|work|mnt)/|[A-Z]:\\\\", text):
            faults.append(f"{path.name} names a path")
    if not faults:
        card = read_card(folder)
        find_model_faults = find_parts_faults if models == PARTS else find_whole_faults
        faults = find_model_faults(folder, card)
        faults += [name for name, baseline in card.baselines.items() if baseline.file]
    return faults


def find_whole_faults(folder: Path, card: Card) -> list[str]:
    return [
        f"{name} is not the card's"
        for name in MODELS
        if hashing.hash_file(folder / name) != card.sha256[name]
    ]


def find_parts_faults(folder: Path, card: Card) -> list[str]:
    """Return what is wrong with models whose base is fetched; a slow test restores them."""
    faults = [
        f"{name} names other weights"
        for name in MODELS
        if shared_base.read_parts(folder / name)[0].weights_sha256 != card.base.sha256
    ]
    if sum((folder / name).stat().st_size for name in PARTS) > MAX_BYTES_WITHOUT_BASE:
        faults.append("the heads are too large")
    return faults


@pytest.fixture
def ready(workplace, tmp_path, monkeypatch) -> Path:
    """The toy as a ready detector, without what must not come with it."""
    monkeypatch.setattr(ready_detectors, "READY_FOLDER", tmp_path)
    folder = tmp_path / "telltale-faces"
    folder.mkdir()
    for name in (saved_models.KERAS_FILE, saved_models.ONNX_FILE):
        shutil.copyfile(workplace / "saved_models" / "toy" / name, folder / name)
    text = (workplace / "saved_models" / "toy" / CARD_FILE).read_text()
    (folder / CARD_FILE).write_text(re.sub(r'"file": ".*?"', '"file": ""', text))
    (folder / "LICENSE.md").write_text("For research.")
    return folder


def test_every_detector_in_the_repository_may_be_there():
    assert {path.name: find_faults(path) for path in ready_detectors.find_ready_detectors()} == {
        path.name: [] for path in ready_detectors.find_ready_detectors()
    }


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("report/index.html", b'<figure class="face">'),
        ("report/index.html", b'<img src="data:image/jpeg;base64,AA">'),
        ("report/one.jpg", b"picture"),
        ("README.md", b"Made from /" + b"home/ann/faces"),
        ("explainer/explainer.npz", b"0" * MAX_BYTES),
        ("detector.onnx", b"another"),
        ("card.json", b"{}"),
    ],
)
def test_a_planted_fault_is_found(ready, name, content):
    assert find_faults(ready) == []
    (ready / name).parent.mkdir(exist_ok=True)
    (ready / name).write_bytes(content)
    if name == CARD_FILE:
        with pytest.raises(console.PlainError, match="is damaged"):
            find_faults(ready)
    else:
        assert len(find_faults(ready)) == 1


@pytest.mark.parametrize(
    ("weights", "size", "faults"),
    [
        ("the card's", 9, []),
        ("others", 9, ["detector.keras names other weights", "detector.onnx names other weights"]),
        ("the card's", MAX_BYTES_WITHOUT_BASE, ["the heads are too large"]),
    ],
)
def test_a_detector_without_its_base_is_small_and_names_the_weights_of_its_card(
    ready, weights, size, faults
):
    card = read_card(ready)
    for name in MODELS:
        (ready / name).unlink()
        header = {
            "base": "clip_vit_b16",
            "origin": "package",
            "weights_sha256": card.base.sha256 if weights == "the card's" else "0" * 64,
            "size": size,
            "shared": [],
        }
        rest = np.random.default_rng(0).bytes(size)
        content = json.dumps(header).encode() + b"\n" + lzma.compress(rest)
        (ready / f"{name}{shared_base.PARTS_SUFFIX}").write_bytes(content)
    assert find_faults(ready) == faults


def test_a_missing_licence_is_found(ready):
    (ready / "LICENSE.md").unlink()
    assert find_faults(ready) == ["LICENSE.md is missing"]


def test_the_name_of_a_ready_detector_is_taken_in_every_folder(ready, tmp_path):
    with pytest.raises(console.PlainError, match=r"comes with Telltale\. Choose another --name"):
        saved_models.choose_free_name(tmp_path / "models", "telltale-faces", "faces")
    shutil.rmtree(ready)  # whoever makes it may give it its name
    assert saved_models.choose_free_name(tmp_path / "models", "telltale-faces", "faces")


def test_the_newest_and_the_best_of_ones_own_are_never_a_ready_detector(ready):
    with pytest.raises(console.PlainError, match="holds no detector"):
        saved_models.find_detector(ready.parent, None)
    with pytest.raises(console.PlainError, match="holds no detector"):
        saved_models.find_best_detector(ready.parent, None)
    assert saved_models.find_best_detector(ready.parent, Path("telltale-faces")) == ready
