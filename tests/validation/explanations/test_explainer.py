"""The explainer beside a detector gives without Keras what Keras gives, and belongs to one detector
only."""

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
from validation.explanations.similar_faces import TrainingFaces
from validation.explanations.tapped_detector import TappedDetector


@pytest.fixture
def toy(workplace, tmp_path, monkeypatch) -> Path:
    """A copy of the detector that a test may alter."""
    monkeypatch.chdir(workplace)
    return shutil.copytree(workplace / "saved_models" / "toy", tmp_path / "toy")


def load(folder: Path) -> Explainer:
    return Explainer.load(folder, card.read_card(folder))


def load_pixels(toy: Path, workplace: Path) -> np.ndarray:
    """Return five images of the validation split as the detector sees them."""
    scorer = predictions.load_scorers(toy, card.read_card(toy))[0]
    records = manifest.select_accepted(
        manifest.read_manifest(workplace / "data" / "faces"), "validation"
    )[:5]
    return heat_maps.load_canonical_pixels(workplace / "data" / "faces", records, scorer)


def test_maps_and_features_are_those_of_keras(toy, workplace):
    pixels = load_pixels(toy, workplace)
    numpy = load(toy).compute_attribution(pixels)
    keras = TappedDetector(detector_parts.load_detector_parts(toy)).compute_attribution(pixels)
    assert np.allclose(numpy.features, keras.features, atol=1e-4)
    assert np.allclose(numpy.logits, keras.logits, atol=1e-4)
    assert np.allclose(numpy.maps, keras.maps, atol=1e-4)


def test_a_training_image_is_nearest_to_itself(toy, workplace):
    loaded, scorer = load(toy), predictions.load_scorers(toy, card.read_card(toy))[0]
    for record in manifest.select_accepted(
        manifest.read_manifest(workplace / "data" / "faces"), "train"
    )[:4]:
        features = loaded.compute_attribution(
            heat_maps.load_canonical_pixels(workplace / "data" / "faces", [record], scorer)
        ).features[0]
        first, second, *_ = loaded.find_similar(features)
        assert first.file == Path("data/faces") / record.image and first.distance < second.distance


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("explainer/explainer.npz", "was altered or is missing"),
        ("detector.onnx", "was altered since it was saved"),
    ],
)
def test_an_altered_file_is_not_opened(toy, file, message):
    with (toy / file).open("ab") as opened:
        opened.write(b"x")
    with pytest.raises(console.PlainError, match=message):
        load(toy)


def test_the_folder_holds_no_second_copy_of_the_network(toy):
    sizes = [path.stat().st_size for path in (toy / explainer.EXPLAINER_FOLDER).iterdir()]
    assert sum(sizes) < 0.5 * (toy / "detector.onnx").stat().st_size


def test_a_detector_that_computes_other_activations_gets_no_maps(toy, workplace):
    detector = TappedDetector(detector_parts.load_detector_parts(toy))
    kernel = detector.activations.weights[0]
    kernel.assign(2 * kernel.numpy())
    with pytest.raises(console.PlainError, match="does not compute what its heat maps need"):
        explainer_export.write_explainer(
            toy, card.read_card(toy), lambda: detector, HeatMapChecks(30, 0.8, 0.1), None
        )


def test_another_detectors_explainer_is_not_used(toy):
    path = toy / explainer.EXPLAINER_FOLDER / explainer.EXPLAINER_JSON_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"detector_sha256": "0" * 64}))
    with pytest.raises(console.PlainError, match="has no heat maps yet"):
        load(toy)


def test_a_folder_of_an_older_version_is_as_none(toy):
    path = toy / explainer.EXPLAINER_FOLDER / explainer.EXPLAINER_JSON_FILE
    older = {"version": explainer.EXPLAINER_VERSION - 1}
    path.write_text(json.dumps(json.loads(path.read_text()) | older))
    with pytest.raises(console.PlainError, match="has no heat maps yet"):
        load(toy)


def test_training_faces_are_found_though_the_maps_failed_their_checks(toy, workplace):
    passed = load(toy)
    assert passed.no_heat_maps_reason == ""
    shutil.rmtree(toy / explainer.EXPLAINER_FOLDER)
    explainer_export.write_explainer(
        toy,
        card.read_card(toy),
        lambda: TappedDetector(detector_parts.load_detector_parts(toy)),
        HeatMapChecks(30, 0.4, 0.5),
        passed.training_faces,
    )
    failed = load(toy)
    assert "toy has no heat maps: they failed their checks. On 40%" in failed.no_heat_maps_reason
    pixels = load_pixels(toy, workplace)
    features = failed.compute_attribution(pixels).features[0]
    similar = failed.find_similar(features)
    assert len(similar) == 6 and similar == passed.find_similar(features)


def test_too_few_images_for_the_checks_are_called_that(toy):
    path = toy / explainer.EXPLAINER_FOLDER / explainer.EXPLAINER_JSON_FILE
    checks = {"images": 12, "masking_win_rate": 1.0, "randomised_correlation": 0.0}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"checks": checks}))
    reason = load(toy).no_heat_maps_reason
    assert "they were checked on 12 images, and at least 20 are needed" in reason


def test_maps_that_failed_their_checks_are_not_drawn_and_nothing_is_exported(toy):
    never_called = None
    explainer_export.write_explainer(
        toy, card.read_card(toy), never_called, HeatMapChecks(30, 0.4, 0.5), None
    )
    assert [path.name for path in (toy / explainer.EXPLAINER_FOLDER).iterdir()] == [
        explainer.EXPLAINER_JSON_FILE
    ]
    with pytest.raises(console.PlainError, match="failed their checks"):
        load(toy)


def test_what_is_there_already_is_not_exported_again(toy):
    never_called = None
    path = toy / explainer.EXPLAINER_FOLDER / explainer.EXPLAINER_JSON_FILE
    content = json.loads(path.read_text())
    training = TrainingFaces(Path("data/faces"), [], {})
    explainer_export.write_explainer(
        toy, card.read_card(toy), never_called, HeatMapChecks(**content["checks"]), training
    )
    assert json.loads(path.read_text()) == content


@pytest.mark.parametrize(
    "change",
    [
        {"checks": {}},
        {"training_images": 3},
        {"training_images": {"folder": "x", "images": []}},
        {"heads": [{}]},
        {"tensors": [["nowhere", False]]},
        {"sha256": []},
    ],
    ids=str,
)
def test_a_damaged_json_file_is_one_sentence(toy, change):
    path = toy / explainer.EXPLAINER_FOLDER / explainer.EXPLAINER_JSON_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(console.PlainError, match="is damaged; run python -m validation again"):
        load(toy)


def test_a_json_file_that_names_other_files_shows_none_of_them(toy, tmp_path):
    path = toy / explainer.EXPLAINER_FOLDER / explainer.EXPLAINER_JSON_FILE
    content = json.loads(path.read_text())
    for image in content["training_images"]["images"]:
        image["image"] = str(tmp_path / "private.jpg")
    path.write_text(json.dumps(content))
    altered = load(toy)
    assert altered.find_similar(np.zeros(altered.width)) == []
