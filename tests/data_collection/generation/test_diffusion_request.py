"""COUNT@MODEL and the scheduler are checked first; the model gives the source its name."""

from dataclasses import replace

import pytest

from data_collection.dataset.manifest import FaceRecord
from data_collection.generation import diffusion_request
from data_collection.settings import CollectionSettings
from data_collection.sources.stable_diffusion import STABLE_DIFFUSION
from runtime import console
from toys.diffusion import make_request


def test_what_is_no_count_or_scheduler_is_refused_before_prompts_are_written(tmp_path, model):
    for request, words in (
        (replace(make_request(tmp_path, model), argument="many"), "whole number"),
        (replace(make_request(tmp_path, model), argument="1000001"), "whole number up to 1000000"),
        (replace(make_request(tmp_path, model), argument="9" * 5000), "whole number"),
        (make_request(tmp_path, model, scheduler="euler"), "choose one of dpm"),
    ):
        with pytest.raises(console.PlainError, match=words):
            STABLE_DIFFUSION.check_request(request, [])
    assert not (tmp_path / "faces").exists()


def test_two_ways_of_generating_are_not_mixed_into_one_source(tmp_path, model):
    before = make_request(tmp_path, model, steps=2)
    recorded = diffusion_request.dump_generation_settings(before.settings.generation)
    row = FaceRecord(
        id="0",
        label="generated",
        source="tiny",
        file="00000007.png",
        status="accepted",
        drawn_with={**recorded, "torch": "2"},
    )
    STABLE_DIFFUSION.check_request(before, [row])
    other = make_request(tmp_path, model, steps=3)
    STABLE_DIFFUSION.check_request(
        other, [replace(row, source="another"), replace(row, status="rejected")]
    )
    with pytest.raises(console.PlainError, match="tiny was generated with --steps 2, not 3"):
        STABLE_DIFFUSION.check_request(other, [row])


def test_the_source_is_named_after_its_model(model):
    settings = CollectionSettings()
    assert (
        STABLE_DIFFUSION.make_name("300@stabilityai/sd-turbo", settings) == "stabilityai/sd-turbo"
    )
    assert STABLE_DIFFUSION.make_name("300", settings) == "SG161222/Realistic_Vision_V1.4"
    assert STABLE_DIFFUSION.make_name(f"300@{model}/", settings) == "tiny"
