"""A saved detector is whole, found by name or age, and not opened once it was altered."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from runtime import console
from training.bases import weights
from training.detectors import card as detector_card
from training.detectors import own_detectors, saved_models
from training.detectors.card_fields import BaseDescription


@pytest.fixture
def models(workplace, tmp_path):
    """A copy of the session's saved models, to be tampered with."""
    shutil.copytree(workplace / "saved_models", tmp_path / "saved_models")
    return tmp_path / "saved_models"


def test_the_card_names_what_a_reader_must_know(models):
    card = detector_card.read_card(models / "toy")
    assert card.base == BaseDescription(
        name="mobilenet_v2",
        origin="random",
        sha256=weights.RANDOM_WEIGHTS_ID,
        note="RANDOM weights: for tests only, this base has learnt nothing",
        sizes=(64,),
        signals=("picture", "residual"),
    )
    assert card.image_size == 64
    assert card.parity < 1e-4
    assert card.dataset.images["hold-out"] == {"real": 6, "generated": 6}
    baselines = {f"baselines/{path.name}" for path in (models / "toy" / "baselines").glob("*.onnx")}
    assert baselines and set(card.sha256) == {"detector.keras", "detector.onnx", *baselines}
    assert card.search.trials == 4 and card.settings["trials"] == 4


def test_a_damaged_card_beside_it_is_skipped(models, capsys):
    (models / "old").mkdir()
    (models / "old" / "card.json").write_text("{}")
    assert saved_models.find_detector(models, None) == models / "toy"
    assert "Skipping old: " in capsys.readouterr().err


def test_the_newest_is_found_without_a_name_and_any_with_one(models):
    card = detector_card.read_card(models / "toy")
    shutil.copytree(models / "toy", models / "later")
    detector_card.write_card(
        models / "later",
        dataclasses.replace(card, name="later", created=detector_card.make_timestamp()),
    )
    own_detectors.mark_as_trained_here(models / "later")
    assert saved_models.find_detector(models, None) == models / "later"
    assert saved_models.find_detector(models, Path("toy")) == models / "toy"
    assert saved_models.find_detector(models, models / "toy") == models / "toy"
    with pytest.raises(console.PlainError, match=r"Did you mean .*toy"):
        saved_models.find_detector(models, Path("toi"))


@pytest.mark.parametrize("file", ["detector.onnx", "baselines/logistic-regression-all-taps.onnx"])
def test_an_altered_or_missing_model_file_is_not_opened(models, file):
    card = detector_card.read_card(models / "toy")
    path = models / "toy" / file
    assert saved_models.read_verified_model(models / "toy", card, file)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(console.PlainError, match="was altered since it was saved") as caught:
        saved_models.read_verified_model(models / "toy", card, file)
    assert caught.value.exit_code == console.EXIT_BAD_MODEL
    path.unlink()
    with pytest.raises(console.PlainError, match="is missing"):
        saved_models.read_verified_model(models / "toy", card, file)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda content: "{", r"is damaged\. Restore it"),
        (lambda content: "[]", r"is damaged\. Restore it"),
        (
            lambda content: json.dumps({**json.loads(content), "card_version": 99}),
            r"was written by another version of Telltale\. Train the detector again",
        ),
        # the first version had dictionaries in place of descriptions
        (
            lambda content: json.dumps({**json.loads(content), "card_version": 1, "search": {}}),
            r"was written by another version of Telltale\. Train the detector again",
        ),
    ],
)
def test_a_damaged_or_foreign_card_is_refused(models, change, message):
    path = models / "toy" / "card.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(console.PlainError, match=message):
        detector_card.read_card(models / "toy")


def test_a_model_gets_its_name_only_when_it_is_whole(tmp_path):
    with (
        pytest.raises(KeyboardInterrupt),
        saved_models.create_model_folder(tmp_path, "half") as folder,
    ):
        (folder / "detector.keras").write_text("half a model")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_taken_name_is_refused(models):
    with pytest.raises(console.PlainError, match=r"toy exists\. Choose another --name"):
        saved_models.choose_free_name(models, "toy", "faces")
    assert saved_models.choose_free_name(models, "", "faces").startswith("faces-")
