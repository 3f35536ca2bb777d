"""A detector that comes with Telltale answers, explains, is exported, tested and adapted where none
of its pictures are."""

import json
import re
import shutil
from pathlib import Path

import pytest

from data_collection.dataset import manifest
from detection.calibrate.calibrate import calibrate_with_photographs
from detection.calibrate.settings import CalibrateSettings
from detection.detect import detect
from detection.export.export import export_detector
from detection.export.settings import ExportSettings
from detection.models.answering import find_answering_detector
from detection.predictor import Detector
from detection.publish.publish import publish_detector
from detection.publish.settings import PublishSettings
from detection.settings import DetectionSettings
from detection.web.answers import PageAnswers
from finetuning.finetune import finetune_detector
from finetuning.settings import FinetuningSettings
from toys.commands import build_collect_words, run_command
from toys.images import write_face_folders
from toys.saved_detectors import copy_detector
from training.detectors import detector_parts, ready_detectors
from training.detectors.card import read_card
from training.gain_test import GainTest
from validation.explanations import explainer_export
from validation.explanations.heat_maps import HeatMapChecks
from validation.explanations.tapped_detector import TappedDetector
from validation.settings import ValidationSettings
from validation.validate import validate_detector

NAME = Path("telltale-faces")


@pytest.fixture(scope="module")
def published(workplace, tmp_path_factory) -> Path:
    """Make the toy a ready detector, as the README of saved_models says; return its folder."""
    maker = tmp_path_factory.mktemp("maker")
    shutil.copytree(workplace / "data", maker / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ready_detectors, "READY_FOLDER", maker / "ready")
        patch.chdir(maker)
        toy = workplace / "saved_models" / "toy"
        saved = copy_detector(toy, Path("saved_models") / NAME)
        validate_detector(ValidationSettings(model=NAME, distorted=0, explained=12, pictures=False))
        parts = detector_parts.load_detector_parts(Path("saved_models") / NAME)
        checks = HeatMapChecks(30, 0.9, 0.1)  # the toy's hold-out is too small to check its maps
        explainer_export.write_explainer(
            Path("saved_models") / NAME, saved, lambda: TappedDetector(parts), checks, None
        )
        out = maker / "ready" / NAME
        publish_detector(PublishSettings(out=out, model=NAME, with_report=True))
    return out


@pytest.fixture
def made(published, ready, tmp_path, monkeypatch) -> Path:
    """Install the ready detector; return the user's empty folder, which is the current one."""
    shutil.copytree(published, ready)
    user = tmp_path / "user"
    user.mkdir()
    monkeypatch.chdir(user)
    write_face_folders(user / "photos", 24)
    return user


@pytest.mark.slow
def test_what_is_published_shows_no_picture_and_names_no_file_of_the_data_set(published, workplace):
    files = [path for path in published.rglob("*") if path.is_file()]
    written = {path.relative_to(published).as_posix() for path in files}
    assert written >= {"card.json", "detector.keras", "detector.onnx", "report/index.html"}
    assert not [name for name in written if name.endswith((".jpg", ".jpeg"))]
    page = (published / "report" / "index.html").read_text()
    assert not re.findall(r'class="face"|src="data:image/jpeg|id="map-pictures"', page)
    records = manifest.read_manifest(workplace / "data" / "faces")
    names = {name for record in records for name in (record.file, record.id)}
    for name in written:
        if name.endswith((".html", ".json", ".jsonl", ".md")):
            text = (published / name).read_text()
            assert not [known for known in names if known in text], name
            assert str(published.parents[1]) not in text, name


@pytest.mark.slow
def test_it_answers_explains_calibrates_exports_and_is_tested_where_its_pictures_are_not(
    made, ready, capsys
):
    page = PageAnswers(Detector.load(find_answering_detector(made).folder)).describe_detector()
    assert "python -m finetuning --model telltale-faces" in page["next_steps"][1]["command"]
    assert page["no_heat_maps"] == ""
    photo = next((made / "photos" / "real").iterdir())
    assert detect(DetectionSettings(paths=(str(photo),), any_picture=True, explain=True)) == 0
    assert "Judged by telltale-faces (it comes with Telltale" in capsys.readouterr().err
    assert photo.with_name(f"{photo.name}.heatmap.png").is_file()
    export_detector(ExportSettings(out=made / "exported"))
    assert (made / "exported" / "detector.onnx").is_file()
    calibrate_with_photographs(CalibrateSettings(real="folder:photos/real", any_picture=True))
    assert (made / "saved_models" / NAME / "calibrations" / "real.json").is_file()
    assert not (ready / "calibrations").exists()  # nothing is written to a ready detector
    photos = DetectionSettings(paths=(str(photo),), any_picture=True, calibration="real")
    assert detect(photos) == 0
    tested = {"distorted": 0, "explained": 0, "report": made / "report"}
    page = validate_detector(ValidationSettings(model=NAME, data=Path("photos"), **tested))
    assert page == made / "report" / "index.html"
    metrics = json.loads((page.parent / "metrics.json").read_text())
    assert metrics["model"] == "telltale-faces"


@pytest.mark.slow
def test_it_is_adapted_to_a_data_set_of_ones_own(made, monkeypatch, capsys):
    words = build_collect_words(made / "photos", "--dataset", "mine")
    assert run_command(*words, cwd=made).returncode == 0
    monkeypatch.setattr(GainTest, "is_gain", True)  # so that the new detector is saved
    folder = finetune_detector(
        FinetuningSettings(
            model=NAME, dataset=Path("mine"), name="tuned", trials=1, epochs=1, repeats=1
        )
    )
    assert folder.resolve() == made / "saved_models" / "tuned"
    tuned = read_card(folder)
    assert tuned.search.source_detector == "telltale-faces"
    assert "may have seen images that are held out here" in tuned.banner
    assert set(tuned.baselines) == {"before fine-tuning: telltale-faces"}
    capsys.readouterr()
    validate_detector(ValidationSettings(distorted=0, explained=0))  # one's own newest
    assert "tuned on the hold-out of data/mine" in capsys.readouterr().err
    photo = next((made / "photos" / "real").iterdir())
    detect(DetectionSettings(paths=(str(photo),), any_picture=True))
    assert "Judged by tuned (the newest of your validated detectors)" in capsys.readouterr().err
