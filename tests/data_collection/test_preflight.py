"""Requirements that are not met are printed as one table before anything starts."""

import re

import pytest

from data_collection import preflight
from data_collection.dataset.manifest import FaceRecord
from data_collection.requirement import Requirement
from data_collection.settings import CollectionSettings
from data_collection.source_types import RequestedSource, Source, SourceRequest
from runtime import console

KEY = Requirement(
    name="OPENAI_API_KEY", met=False, status="not set", alternative="--prompts template"
)
GPU = Requirement(
    name="a GPU",
    met=True,
    status="no GPU; about 40 hours on this CPU",
    alternative="--generated folder:PATH",
)


def make_source(argument: str, *requirements: Requirement) -> RequestedSource:
    source = Source(
        example="painter:COUNT",
        candidates=lambda request, prepared: [],
        list_requirements=lambda request: list(requirements),
    )
    return RequestedSource(
        "generated",
        source,
        SourceRequest(argument=argument, source_name="painter", settings=CollectionSettings()),
    )


def test_nothing_is_printed_without_requirements(tmp_path, capsys):
    preflight.check_requirements([make_source("3")], [], tmp_path)
    assert capsys.readouterr().out == ""


def test_what_is_missing_stops_the_run_with_what_does_without_it(tmp_path, capsys):
    with pytest.raises(
        console.PlainError, match=re.escape("Missing: OPENAI_API_KEY. Nothing was started")
    ):
        preflight.check_requirements([make_source("3", KEY, GPU)], [], tmp_path)
    table = capsys.readouterr().out
    assert "--prompts template" in table and "about 40 hours" in table


def test_a_slow_way_is_printed_and_taken(tmp_path, capsys):
    preflight.check_requirements([make_source("3", GPU)], [], tmp_path)
    assert "no GPU" in capsys.readouterr().out


def test_a_complete_source_requires_nothing_more(tmp_path, capsys):
    known = [
        FaceRecord(
            id=str(n), label="generated", source="painter", file=f"{n}.png", status="accepted"
        )
        for n in range(3)
    ]
    preflight.check_requirements([make_source("3", KEY)], known, tmp_path)
    assert capsys.readouterr().out == ""
    with pytest.raises(console.PlainError):
        preflight.check_requirements([make_source("4", KEY)], known, tmp_path)


def test_a_class_without_source_and_images_stops_before_anything_is_read(tmp_path):
    with pytest.raises(console.PlainError, match="no --real source is given. Nothing was started"):
        preflight.check_start([make_source("3")], [], tmp_path)
    photograph = FaceRecord(id="1", label="real", source="a", file="1.png", status="accepted")
    preflight.check_start([make_source("3")], [photograph], tmp_path)
