"""Half precision, as GPUs draw with it, tried on the CPU."""

import numpy as np

from data_collection import diffusion_artist, drawing_device
from toy_diffusion import DRAWS, asked, drawn, pixels

pytestmark = DRAWS


def test_half_precision_draws_nearly_the_same(tmp_path, model, monkeypatch):
    single = drawn(asked(tmp_path, model, 1))[0][1]
    monkeypatch.setitem(drawing_device.DTYPES, "cpu", "float16")
    diffusion_artist._loaded.clear()
    face, half = drawn(asked(tmp_path, model, 1))[0]
    diffusion_artist._loaded.clear()
    assert face.drawn_with["dtype"] == "float16"
    assert 0 < np.abs(pixels(half) - pixels(single)).max() < 40
