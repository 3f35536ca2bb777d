"""A folder for saved detectors, and another for those that come with Telltale; both are empty."""

from pathlib import Path

import pytest

from training.detectors import ready_detectors


@pytest.fixture
def toy(workplace) -> Path:
    return workplace / "saved_models" / "toy"


@pytest.fixture
def models(tmp_path) -> Path:
    folder = tmp_path / "saved_models"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def ready(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(ready_detectors, "READY_FOLDER", tmp_path / "ready")
    return tmp_path / "ready" / "telltale-faces"
