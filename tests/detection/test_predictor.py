"""A detector is loaded by its name or its folder, as on the command line."""

from pathlib import Path

import pytest

from detection.predictor import Detector
from runtime import console
from runtime.commands import workspace
from training.detectors import ready_detectors


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch) -> Path:
    """The folder of one's own detectors, with a damaged one."""
    monkeypatch.setattr(workspace, "SAVED_MODELS_FOLDER", tmp_path)
    (tmp_path / "many1").mkdir()
    (tmp_path / "many1" / "card.json").write_text("{}")
    return tmp_path


def test_a_detector_is_loaded_by_name_and_by_folder():
    folder = ready_detectors.find_ready_detectors()[0]
    for named in (folder.name, folder, str(folder)):
        assert Detector.load(named).folder == folder


def test_what_is_no_detector_is_named_with_those_there_are():
    with pytest.raises(console.PlainError, match="Did you mean .*many1"):
        Detector.load("many2")
    with pytest.raises(console.PlainError, match="Saved detectors are many1, telltale-faces"):
        Detector.load("quite-another")
    with pytest.raises(console.PlainError, match="card.json is damaged"):
        Detector.load("many1")
