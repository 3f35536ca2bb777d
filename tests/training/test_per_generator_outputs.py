"""A detector of several generators and signals, made by the commands: all its files agree."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from data_collection.dataset import manifest
from detection.predictor import Detector
from toys.commands import TRAIN_WORDS, build_collect_words, run_command
from toys.images import write_face_folders
from training.detectors import card, detector_parts
from validation import predictions
from validation.explanations import heat_maps
from validation.explanations.tapped_detector import TappedDetector

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a project in which half of the generated toys come from a second source."""
    folder = tmp_path_factory.mktemp("generators")
    write_face_folders(folder / "faces", 100)
    second = folder / "faces" / "second"
    second.mkdir()
    for path in sorted((folder / "faces" / "generated").iterdir())[::2]:
        path.rename(second / path.name)
    done = run_command(
        *build_collect_words(folder / "faces", "--generated", f"folder:{second}"), cwd=folder
    )
    assert done.returncode == 0, done.stderr
    done = run_command(
        *TRAIN_WORDS,
        "--signals",
        "picture",
        "residual",
        "--trials",
        4,
        "--epochs",
        20,
        "--name",
        "outputs",
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    assert (
        "Every head has one output per generator (generated, second); "
        "they are combined by log-sum-exp." in done.stderr
    )
    return folder


@pytest.fixture(scope="module")
def hold_out(folder) -> list[manifest.FaceRecord]:
    return manifest.select_accepted(manifest.read_manifest(folder / "data" / "faces"), "hold-out")


def test_it_finds_the_images_of_both(folder, hold_out):
    detector = Detector.load(folder / "saved_models" / "outputs", any_picture=True)
    detections = list(
        detector.predict_all(folder / "data" / "faces" / record.original for record in hold_out)
    )
    probabilities = np.array([detection.probability for detection in detections])
    for source in ("generated", "second"):
        is_compared = np.array(
            [record.label == "real" or record.source == source for record in hold_out]
        )
        labels = np.array([record.label == "generated" for record in hold_out])
        assert roc_auc_score(labels[is_compared], probabilities[is_compared]) > 0.8


def test_its_card_names_them(folder):
    assert card.read_card(folder / "saved_models" / "outputs").search.generators == (
        "generated",
        "second",
    )


def test_its_parts_say_what_its_file_says(folder, hold_out):
    """Fine-tuning and heat maps use the parts of a detector, heat maps in NumPy."""
    saved = folder / "saved_models" / "outputs"
    tapped, scorer = (
        TappedDetector(detector_parts.load_detector_parts(saved)),
        predictions.load_scorers(saved, card.read_card(saved))[0],
    )
    pixels = heat_maps.load_canonical_pixels(folder / "data" / "faces", hold_out, scorer)
    assert all(len(head.layers[-1][1]) == 2 for head in tapped.attributor.heads)
    assert 1 / (1 + np.exp(-tapped.compute_attribution(pixels).logits)) == pytest.approx(
        scorer.score(pixels), abs=1e-5
    )
