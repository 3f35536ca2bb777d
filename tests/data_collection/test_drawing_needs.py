"""The table of what drawing needs tells what this machine has."""

import torch

from data_collection.stable_diffusion import STABLE_DIFFUSION
from toy_diffusion import asked


def test_the_needs_tell_what_this_machine_has(tmp_path, model):
    needs = {need.what: need for need in STABLE_DIFFUSION.needs(asked(tmp_path, model, 700, draw_size=512, steps=25))}
    assert needs[f"the model {model}"].found == "is a folder" and all(need.there for need in needs.values())
    if not torch.cuda.is_available():
        assert "hours on this CPU" in needs["a GPU"].found and needs["a GPU"].instead == "--generated folder:PATH"
    needs = {need.what: need for need in STABLE_DIFFUSION.needs(asked(tmp_path, model, 1_000_000, draw_size=4096))}
    assert not needs["disk for the pictures"].there
