"""The table of what drawing needs tells what this machine has."""

import shutil

import pytest
import torch

from data_collection.generation import diffusion_requirements
from data_collection.sources.stable_diffusion import STABLE_DIFFUSION
from toys.diffusion import make_request


def test_the_needs_tell_what_this_machine_has(tmp_path, model):
    needs = {
        need.name: need
        for need in STABLE_DIFFUSION.list_requirements(
            make_request(tmp_path, model, 700, generation_size=512, steps=25)
        )
    }
    assert needs[f"the model {model}"].status == "is a folder" and all(
        need.met for need in needs.values()
    )
    if not torch.cuda.is_available():
        assert (
            "hours on this CPU" in needs["a GPU"].status
            and needs["a GPU"].alternative == "--generated folder:PATH"
        )
    needs = {
        need.name: need
        for need in STABLE_DIFFUSION.list_requirements(
            make_request(tmp_path, model, 1_000_000, generation_size=4096)
        )
    }
    assert not needs["disk for the pictures"].met


@pytest.mark.parametrize(("share", "enough"), [(0.99, True), (1.01, False)])
def test_a_fifth_more_than_is_wanted_has_to_be_free(tmp_path, share, enough):
    free = shutil.disk_usage(tmp_path).free
    assert (
        diffusion_requirements._check_free_disk(
            "pictures", tmp_path / "data" / "faces", share * free / 1.2
        ).met
        == enough
    )
