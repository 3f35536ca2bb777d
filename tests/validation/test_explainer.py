"""What validation leaves beside a detector says without Keras what Keras says, and belongs to one detector only."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from data_collection import console, manifest
from finetuning import parent
from training import saved_models
from validation import explainer, heat_maps, predictions
from validation.anatomy import Anatomy
from validation.explainer import Explainer
from validation.heat_maps import Checks


@pytest.fixture
def toy(workplace, tmp_path, monkeypatch) -> Path:
    """A copy of the detector that may be tampered with."""
    monkeypatch.chdir(workplace)
    return shutil.copytree(workplace / "saved_models" / "toy", tmp_path / "toy")


def load(folder: Path) -> Explainer:
    return Explainer.load(folder, saved_models.read_card(folder))


def test_maps_and_features_are_those_of_keras(toy, workplace):
    judge = predictions.judges(toy, saved_models.read_card(toy))[0]
    records = manifest.accepted(manifest.read(workplace / "data" / "faces"), "validation")[:5]
    pixels = heat_maps.pixels(workplace / "data" / "faces", records, judge)
    ours, keras = load(toy).look(pixels), Anatomy(parent.read(toy)).look(pixels)
    assert np.allclose(ours.features, keras.features, atol=1e-4)
    assert np.allclose(ours.logits, keras.logits, atol=1e-4)
    assert np.allclose(ours.maps, keras.maps, atol=1e-4)


def test_a_training_image_is_nearest_to_itself(toy, workplace):
    opened, judge = load(toy), predictions.judges(toy, saved_models.read_card(toy))[0]
    for record in manifest.accepted(manifest.read(workplace / "data" / "faces"), "train")[:4]:
        features = opened.look(heat_maps.pixels(workplace / "data" / "faces", [record], judge)).features[0]
        first, second, *_ = opened.similar(features)
        assert first.file == Path("data/faces") / record.image and first.distance < second.distance


@pytest.mark.parametrize("name", [explainer.TAPS, explainer.ARRAYS])
def test_an_altered_file_is_not_opened(toy, name):
    with (toy / explainer.FOLDER / name).open("ab") as file:
        file.write(b"x")
    with pytest.raises(console.PlainError, match="was altered or is missing"):
        load(toy)


def test_another_detectors_explainer_is_not_used(toy):
    facts = toy / explainer.FOLDER / explainer.FACTS
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"detector_sha256": "0" * 64}))
    with pytest.raises(console.PlainError, match="has no heat maps yet"):
        load(toy)


def test_maps_that_failed_their_checks_are_not_drawn_and_nothing_is_exported(toy):
    never_opened = None
    explainer.write(toy, saved_models.read_card(toy), never_opened, Checks(30, 0.4, 0.5), None)
    assert [path.name for path in (toy / explainer.FOLDER).iterdir()] == [explainer.FACTS]
    with pytest.raises(console.PlainError, match="failed their checks"):
        load(toy)


def test_what_is_there_already_is_not_exported_again(toy):
    never_opened, facts = None, json.loads((toy / explainer.FOLDER / explainer.FACTS).read_text())
    known = explainer.Known(Path("data/faces"), [], np.empty((0, 0)))
    explainer.write(toy, saved_models.read_card(toy), never_opened, Checks(**facts["checks"]), known)
    assert json.loads((toy / explainer.FOLDER / explainer.FACTS).read_text()) == facts


@pytest.mark.parametrize(
    "change", [{"checks": {}}, {"known": 3}, {"known": {"folder": "x", "images": []}}, {"heads": [{}]}, {"sha256": []}], ids=str
)
def test_damaged_facts_are_a_sentence(toy, change):
    facts = toy / explainer.FOLDER / explainer.FACTS
    facts.write_text(json.dumps(json.loads(facts.read_text()) | change))
    with pytest.raises(console.PlainError, match="is damaged; run python -m validation again"):
        load(toy)


def test_facts_that_name_other_files_show_none_of_them(toy, tmp_path):
    facts = toy / explainer.FOLDER / explainer.FACTS
    told = json.loads(facts.read_text())
    for image in told["known"]["images"]:
        image["image"] = str(tmp_path / "private.jpg")
    facts.write_text(json.dumps(told))
    opened = load(toy)
    assert opened.similar(np.zeros(opened.width)) == []
