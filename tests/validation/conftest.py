"""A copy of the toy data set and detector, and the validation command run within the tests."""

import shutil
from types import SimpleNamespace

import pytest
import tyro

from runtime import console
from validation.settings import ValidationSettings
from validation.validate import validate_detector


@pytest.fixture
def workspace(workplace, tmp_path):
    for name in ("data", "saved_models"):
        shutil.copytree(workplace / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def validated(workspace, monkeypatch, capsys):
    """Run the command within this process, which saves its start; return what a process would."""
    monkeypatch.chdir(workspace)

    def run(*words: object) -> SimpleNamespace:
        code, message = 0, ""
        try:
            validate_detector(tyro.cli(ValidationSettings, args=list(map(str, words))))
        except console.PlainError as error:
            code, message = error.exit_code, str(error)
        output = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=output.out, stderr=output.err + message)

    return run
