"""COUNT@MODEL and the scheduler are checked before anything is written, and give the source its name."""

from dataclasses import replace

import pytest

from data_collection import console
from data_collection.settings import CollectionSettings
from data_collection.stable_diffusion import STABLE_DIFFUSION
from toy_diffusion import asked


def test_what_is_no_count_or_scheduler_is_refused_before_prompts_are_written(tmp_path, model):
    for request, words in (
        (replace(asked(tmp_path, model), argument="many"), "whole number"),
        (replace(asked(tmp_path, model), argument="1000001"), "at most"),
        (asked(tmp_path, model, scheduler="euler"), "choose one of dpm"),
    ):
        with pytest.raises(console.PlainError, match=words):
            STABLE_DIFFUSION.find(request)
    assert not (tmp_path / "faces").exists()


def test_the_source_is_named_after_its_model(model):
    settings = CollectionSettings()
    assert STABLE_DIFFUSION.name("300@stabilityai/sd-turbo", settings) == "sd-turbo"
    assert STABLE_DIFFUSION.name("300", settings) == "Realistic_Vision_V1.4"
    assert STABLE_DIFFUSION.name(f"300@{model}/", settings) == "tiny"
