"""One cache, one toy data set and one trained detector for the whole session."""

import os
from pathlib import Path

import pytest

from toys import TRAIN, collect_command, command, make_faces


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory) -> Path:
    """Exported graphs are kept for the session and never touch the person's own cache."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["TELLTALE_CACHE"] = str(folder)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    return folder


@pytest.fixture
def faces(tmp_path) -> Path:
    return make_faces(tmp_path / "faces")


@pytest.fixture(scope="session")
def workplace(tmp_path_factory) -> Path:
    """A folder with a collected data set and a trained detector named `toy`, made by the commands themselves."""
    folder = tmp_path_factory.mktemp("workplace")
    make_faces(folder / "faces")
    collected = command(*collect_command(folder / "faces"), cwd=folder)
    assert collected.returncode == 0, collected.stderr
    trained = command(*TRAIN, "--trials", 4, "--epochs", 6, "--name", "toy", cwd=folder)
    assert trained.returncode == 0, trained.stderr
    (folder / "training.txt").write_text(trained.stdout + trained.stderr)
    return folder
