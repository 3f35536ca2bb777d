"""The table of requirements describes this machine."""

import shutil

import pytest
import torch

from data_collection.generation import diffusion_requirements
from data_collection.sources.stable_diffusion import STABLE_DIFFUSION
from toys.diffusion import make_request


def test_the_requirements_describe_this_machine(tmp_path, model):
    requirements = {
        requirement.name: requirement
        for requirement in STABLE_DIFFUSION.list_requirements(
            make_request(tmp_path, model, 700, generation_size=512, steps=25)
        )
    }
    assert requirements[f"the model {model}"].status == "is a folder" and all(
        requirement.met for requirement in requirements.values()
    )
    if not torch.cuda.is_available():
        assert (
            "hours on this CPU" in requirements["a GPU"].status
            and requirements["a GPU"].alternative == "--generated folder:PATH"
        )
    requirements = {
        requirement.name: requirement
        for requirement in STABLE_DIFFUSION.list_requirements(
            make_request(tmp_path, model, 1_000_000, generation_size=4096)
        )
    }
    assert not requirements["disk for the images"].met


@pytest.mark.parametrize(("share", "enough"), [(0.99, True), (1.01, False)])
def test_a_fifth_more_than_is_needed_has_to_be_free(tmp_path, share, enough):
    free = shutil.disk_usage(tmp_path).free
    assert (
        diffusion_requirements._check_free_disk(
            "pictures", tmp_path / "data" / "faces", share * free / 1.2
        ).met
        == enough
    )
