"""`--span-bases` from the command to the answer: one detector on a small convolutional base and a
small vision transformer, saved, opened, explained, and used."""

import dataclasses
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from data_collection.dataset import manifest
from detection.models.models import list_detectors
from detection.models.settings import ModelsSettings
from toys import bases
from toys.commands import run_command
from toys.saved_detectors import copy_detector, predict_in_plain_keras
from training import train
from training.bases.tower_presets import TOWER_PRESETS
from training.detectors import assembly, detector_parts, saved_models, shared_base
from training.detectors.card import Card, read_card
from training.onnx_files import onnx_export, onnx_models
from training.settings import TrainingSettings
from validation import predictions
from validation.explanations import explainer_export, heat_maps
from validation.explanations.explainer import Explainer
from validation.explanations.heat_maps import HeatMapChecks
from validation.explanations.tapped_detector import TappedDetector

pytestmark = pytest.mark.slow

BASES = ("mobilenet_v2", "clip_vit_b16")


@pytest.fixture(scope="module")
def place(workplace, cache, tmp_path_factory) -> Iterator[Path]:
    """A folder with the toy, and with a detector `both` that spans its base and a vision
    transformer."""
    folder = tmp_path_factory.mktemp("spanning")
    for name in ("data", "faces", "saved_models"):
        shutil.copytree(workplace / name, folder / name)
    shutil.copytree(cache, folder / "cache")
    with pytest.MonkeyPatch.context() as patch:
        bases.use_narrow_towers(patch)
        preset = TOWER_PRESETS[BASES[1]]
        tower = dataclasses.replace(preset.tower, blocks=2)
        patch.setitem(TOWER_PRESETS, BASES[1], dataclasses.replace(preset, tower=tower))
        patch.setenv("TELLTALE_CACHE", str(folder / "cache"))
        patch.chdir(folder)
        shared_base._list_array_bytes.cache_clear()
        train.train_detector(
            TrainingSettings(
                name="both",
                bases=BASES,
                sizes=(64,),
                weights="random",
                trials=4,
                epochs=6,
                span_bases=True,
            )
        )
        yield folder
    shared_base._list_array_bytes.cache_clear()


@pytest.fixture(scope="module")
def both(place) -> Path:
    return place / "saved_models" / "both"


@pytest.fixture(scope="module")
def card(both) -> Card:
    return read_card(both)


@pytest.fixture(scope="module")
def pixels(card) -> np.ndarray:
    side = card.image_size
    return np.random.default_rng(0).uniform(0, 255, (3, side, side, 3)).astype(np.float32)


def compute_logits(probabilities: np.ndarray) -> np.ndarray:
    values = np.ravel(probabilities).astype(np.float64)
    return np.log(values / (1 - values))


def run_onnx(folder: Path, pixels: np.ndarray) -> np.ndarray:
    model = saved_models.read_verified_model(folder, read_card(folder), saved_models.ONNX_FILE)
    return compute_logits(onnx_models.open_onnx(model)(pixels))


def test_the_card_names_both_bases_each_with_its_size_and_heads(card, place, capsys):
    assert card.base_names == "mobilenet_v2 and clip_vit_b16"
    assert [(base.name, base.sizes) for base in card.bases] == [
        ("mobilenet_v2", (64,)),
        ("clip_vit_b16", (224,)),
    ]
    assert (card.image_size, card.settings["span_bases"]) == (64, True)
    assert {spec.base for spec in card.search.heads} == set(BASES)
    assert card.parity < onnx_export.MAX_PARITY_ERROR
    list_detectors(ModelsSettings(saved_models=place / "saved_models"))
    assert "both mobilenet_v2 and clip_vit_b16" in " ".join(capsys.readouterr().out.split())


def test_its_logit_is_the_mean_of_that_of_the_detector_on_each_base(both, card, place, pixels):
    parts = detector_parts.load_detector_parts(both)
    shares = [
        compute_logits(assembly.build_joint_model([part], card.image_size).predict_on_batch(pixels))
        for part in parts.parts
    ]
    assert run_onnx(both, pixels) == pytest.approx(np.sum(shares, axis=0), abs=1e-3)
    # The search on the first base is that of the toy, so its heads are the toy's.
    toy = run_onnx(place / "saved_models" / "toy", pixels)
    assert 2 * card.calibration.temperature * shares[0] == pytest.approx(toy, abs=1e-3)


def test_plain_keras_opens_it(both, card, pixels, tmp_path):
    path = saved_models.verify_model_file(both, card, saved_models.KERAS_FILE)
    logits = compute_logits(predict_in_plain_keras(path, pixels, tmp_path))
    assert logits == pytest.approx(run_onnx(both, pixels), abs=1e-3)


def test_the_large_base_is_left_out_of_its_files_and_a_photo_is_judged(both, place):
    assert (both / "detector.onnx.parts").is_file() and not (both / "detector.onnx").exists()
    photo = next((place / "faces" / "real").iterdir())
    words = ("detection", photo, "--any-picture", "--model", "both", "--json")
    judged = run_command(*words, cwd=place, TELLTALE_CACHE=os.environ["TELLTALE_CACHE"])
    assert judged.returncode == 0, judged.stderr
    assert '"both"' in judged.stdout


def test_heat_maps_add_up_what_all_bases_contribute(both, card, place, tmp_path):
    folder = copy_whole(both, card, tmp_path / "both")
    detector = TappedDetector(detector_parts.load_detector_parts(folder))
    data = place / "data" / "faces"
    records = manifest.select_accepted(manifest.read_manifest(data), "validation")[:3]
    scorer = predictions.load_scorers(folder, card)[0]
    pictures = heat_maps.load_canonical_pixels(data, records, scorer)
    result = detector.compute_attribution(pictures)
    assert result.logits == pytest.approx(run_onnx(folder, pictures.astype(np.float32)), abs=1e-3)
    taps = {tap.split("/")[0] for _, _, tap in detector.tap_keys}
    assert taps == set(BASES)
    checks = HeatMapChecks(30, 0.9, 0.1)
    explainer_export.write_explainer(folder, card, lambda: detector, checks, None)
    loaded = Explainer.load(folder, card).compute_attribution(pictures)
    assert loaded.maps == pytest.approx(result.maps, abs=1e-3)
    with detector.with_random_weights() as randomised:
        assert not np.allclose(randomised.compute_attribution(pictures).maps, result.maps, atol=0.1)
    restored = detector.compute_attribution(pictures)
    assert restored.maps == pytest.approx(result.maps, abs=1e-5)


def copy_whole(both: Path, card: Card, folder: Path) -> Path:
    """Copy a detector's card and its files as they were before the base was left out."""
    copy_detector(both, folder)
    for name in (saved_models.KERAS_FILE, saved_models.ONNX_FILE):
        shutil.copyfile(saved_models.verify_model_file(both, card, name), folder / name)
    return folder
