"""A CLIP tower that is narrow, so that tests of every base stay quick."""

import dataclasses

import pytest

from training.bases import constructors
from training.bases.base_models import BASE_MODELS
from training.bases.clip_tower import ClipTower

NARROW_CLIP = ClipTower(width=16, heads=2, hidden=32)


def use_narrow_clip(patch: pytest.MonkeyPatch) -> None:
    """Let clip_vit_b16 be NARROW_CLIP: as many blocks and taps, a thousandth of the weights."""
    row = dataclasses.replace(
        BASE_MODELS["clip_vit_b16"],
        constructor=constructors.make_clip_constructor(NARROW_CLIP, "clip_vit_base_patch16"),
    )
    patch.setitem(BASE_MODELS, "clip_vit_b16", row)
