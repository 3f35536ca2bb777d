"""A detector of several generators and signals, made by the commands themselves: it is the same in every file."""

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
def place(tmp_path_factory) -> Path:
    """Half of the generated toys are of a second source."""
    folder = tmp_path_factory.mktemp("voices")
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
        "voices",
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    assert (
        "Every head has a voice for each generated source (generated, second); the surest rules."
        in done.stderr
    )
    return folder


@pytest.fixture(scope="module")
def hold_out(place) -> list[manifest.FaceRecord]:
    return manifest.select_accepted(manifest.read_manifest(place / "data" / "faces"), "hold-out")


def test_it_finds_the_images_of_both(place, hold_out):
    detector = Detector.load(place / "saved_models" / "voices")
    said = list(
        detector.predict_all(place / "data" / "faces" / record.original for record in hold_out)
    )
    probabilities = np.array([each.probability for each in said])
    for source in ("generated", "second"):
        mine = np.array([record.label == "real" or record.source == source for record in hold_out])
        labels = np.array([record.label == "generated" for record in hold_out])
        assert roc_auc_score(labels[mine], probabilities[mine]) > 0.8


def test_its_card_names_them(place):
    assert card.read_card(place / "saved_models" / "voices").search["generators"] == [
        "generated",
        "second",
    ]


def test_its_parts_say_what_its_file_says(place, hold_out):
    """Opened for fine-tuning and for heat maps, whose shares are plain arithmetic."""
    folder = place / "saved_models" / "voices"
    opened, judge = (
        TappedDetector(detector_parts.load_detector_parts(folder)),
        predictions.load_scorers(folder, card.read_card(folder))[0],
    )
    pixels = heat_maps.load_canonical_pixels(place / "data" / "faces", hold_out, judge)
    assert all(len(head.layers[-1][1]) == 2 for head in opened.shares.heads)
    assert 1 / (1 + np.exp(-opened.look(pixels).logits)) == pytest.approx(
        judge.run(pixels), abs=1e-5
    )
