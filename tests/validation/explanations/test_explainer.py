"""What validation leaves beside a detector says without Keras what Keras says, and belongs to one
detector only."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from data_collection.dataset import manifest
from runtime import console
from training.detectors import card, detector_parts
from validation import predictions
from validation.explanations import explainer, explainer_export, heat_maps
from validation.explanations.explainer import Explainer
from validation.explanations.heat_maps import HeatMapChecks
from validation.explanations.tapped_detector import TappedDetector


@pytest.fixture
def toy(workplace, tmp_path, monkeypatch) -> Path:
    """A copy of the detector that may be tampered with."""
    monkeypatch.chdir(workplace)
    return shutil.copytree(workplace / "saved_models" / "toy", tmp_path / "toy")


def load(folder: Path) -> Explainer:
    return Explainer.load(folder, card.read_card(folder))


def test_maps_and_features_are_those_of_keras(toy, workplace):
    scorer = predictions.load_scorers(toy, card.read_card(toy))[0]
    records = manifest.select_accepted(
        manifest.read_manifest(workplace / "data" / "faces"), "validation"
    )[:5]
    pixels = heat_maps.load_canonical_pixels(workplace / "data" / "faces", records, scorer)
    ours, keras = (
        load(toy).look(pixels),
        TappedDetector(detector_parts.load_detector_parts(toy)).look(pixels),
    )
    assert np.allclose(ours.features, keras.features, atol=1e-4)
    assert np.allclose(ours.logits, keras.logits, atol=1e-4)
    assert np.allclose(ours.maps, keras.maps, atol=1e-4)


def test_a_training_image_is_nearest_to_itself(toy, workplace):
    opened, scorer = load(toy), predictions.load_scorers(toy, card.read_card(toy))[0]
    for record in manifest.select_accepted(
        manifest.read_manifest(workplace / "data" / "faces"), "train"
    )[:4]:
        features = opened.look(
            heat_maps.load_canonical_pixels(workplace / "data" / "faces", [record], scorer)
        ).features[0]
        first, second, *_ = opened.find_similar(features)
        assert first.file == Path("data/faces") / record.image and first.distance < second.distance


@pytest.mark.parametrize("name", [explainer.EXPLAINER_TAPS_FILE, explainer.EXPLAINER_ARRAYS_FILE])
def test_an_altered_file_is_not_opened(toy, name):
    with (toy / explainer.EXPLAINER_FOLDER / name).open("ab") as file:
        file.write(b"x")
    with pytest.raises(console.PlainError, match="was altered or is missing"):
        load(toy)


def test_another_detectors_explainer_is_not_used(toy):
    facts = toy / explainer.EXPLAINER_FOLDER / explainer.EXPLAINER_JSON_FILE
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"detector_sha256": "0" * 64}))
    with pytest.raises(console.PlainError, match="has no heat maps yet"):
        load(toy)


def test_maps_that_failed_their_checks_are_not_drawn_and_nothing_is_exported(toy):
    never_opened = None
    explainer_export.write_explainer(
        toy, card.read_card(toy), never_opened, HeatMapChecks(30, 0.4, 0.5), None
    )
    assert [path.name for path in (toy / explainer.EXPLAINER_FOLDER).iterdir()] == [
        explainer.EXPLAINER_JSON_FILE
    ]
    with pytest.raises(console.PlainError, match="failed their checks"):
        load(toy)


def test_what_is_there_already_is_not_exported_again(toy):
    never_opened, facts = (
        None,
        json.loads((toy / explainer.EXPLAINER_FOLDER / explainer.EXPLAINER_JSON_FILE).read_text()),
    )
    known = explainer_export.TrainingImageFeatures(Path("data/faces"), [], np.empty((0, 0)))
    explainer_export.write_explainer(
        toy, card.read_card(toy), never_opened, HeatMapChecks(**facts["checks"]), known
    )
    assert (
        json.loads((toy / explainer.EXPLAINER_FOLDER / explainer.EXPLAINER_JSON_FILE).read_text())
        == facts
    )


@pytest.mark.parametrize(
    "change",
    [
        {"checks": {}},
        {"known": 3},
        {"known": {"folder": "x", "images": []}},
        {"heads": [{}]},
        {"sha256": []},
    ],
    ids=str,
)
def test_damaged_facts_are_a_sentence(toy, change):
    facts = toy / explainer.EXPLAINER_FOLDER / explainer.EXPLAINER_JSON_FILE
    facts.write_text(json.dumps(json.loads(facts.read_text()) | change))
    with pytest.raises(console.PlainError, match="is damaged; run python -m validation again"):
        load(toy)


def test_facts_that_name_other_files_show_none_of_them(toy, tmp_path):
    facts = toy / explainer.EXPLAINER_FOLDER / explainer.EXPLAINER_JSON_FILE
    told = json.loads(facts.read_text())
    for image in told["known"]["images"]:
        image["image"] = str(tmp_path / "private.jpg")
    facts.write_text(json.dumps(told))
    opened = load(toy)
    assert opened.find_similar(np.zeros(opened.width)) == []
