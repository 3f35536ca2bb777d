"""Commands that write and check evidence about drawn faces, by the ready detector."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from detection.detect import detect
from detection.evidence.verify import verify_evidence
from detection.settings import DetectionSettings
from runtime import console
from toys.evidence import MODEL, SINGLE, draw


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """Work in an empty folder, where nobody has detectors of their own."""
    monkeypatch.chdir(tmp_path)
    draw(*SINGLE).save("photo.jpg", quality=92)
    return tmp_path


@dataclass(frozen=True)
class Outcome:
    """Output and exit code of a command; `checks` are those that did not hold, by name."""

    code: int
    text: str
    checks: dict[str, dict]


@pytest.fixture
def write(capsys) -> Callable[..., Outcome]:
    """Return a function that writes evidence about a picture."""

    def run(picture: str = "photo.jpg", page: str = "evidence.html", **options) -> Outcome:
        settings = {"model": MODEL} | options
        sentence = ""
        try:
            code = detect(DetectionSettings(paths=(picture,), evidence=Path(page), **settings))
        except console.PlainError as error:
            code, sentence = error.exit_code, str(error)
        return Outcome(code, " ".join(("".join(capsys.readouterr()) + sentence).split()), {})

    return run


@pytest.fixture
def verify(capsys) -> Callable[..., Outcome]:
    """Return a function that checks evidence against a picture."""

    def run(page: str = "evidence.html", picture: str = "photo.jpg", **options) -> Outcome:
        settings = DetectionSettings(paths=(picture,), verify=Path(page), json=True, **options)
        try:
            code = verify_evidence(settings)
        except console.PlainError as error:
            return Outcome(error.exit_code, str(error), {})
        answer = json.loads(capsys.readouterr().out)
        assert answer["holds"] == (code == 0)
        failed = {row["name"]: row for row in answer["checks"] if row["state"] != "holds"}
        return Outcome(code, answer["conclusion"], failed)

    return run
