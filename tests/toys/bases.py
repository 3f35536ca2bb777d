"""Vision transformers that are narrow, so that tests of every base stay quick."""

import dataclasses

import pytest

from training.bases.tower_presets import TOWER_PRESETS

NARROW_WIDTH = 16


def use_narrow_towers(patch: pytest.MonkeyPatch) -> None:
    """Make all vision transformers narrow: as many blocks and taps, a thousandth of the weights."""
    for name, preset in TOWER_PRESETS.items():
        tower = dataclasses.replace(preset.tower, width=NARROW_WIDTH, heads=2, hidden=32)
        patch.setitem(TOWER_PRESETS, name, dataclasses.replace(preset, tower=tower))
