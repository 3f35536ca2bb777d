"""Half precision, which GPUs use, tried on the CPU."""

import numpy as np

from data_collection.diffusion import compute_device, pipeline_cache
from toys.diffusion import GENERATION_MARKS, decode_pixels, generate_faces, make_request

pytestmark = GENERATION_MARKS


def test_half_precision_gives_nearly_the_same_image(tmp_path, model, monkeypatch):
    single = generate_faces(make_request(tmp_path, model, 1))[0][1]
    monkeypatch.setitem(compute_device.DTYPE_BY_DEVICE, "cpu", "float16")
    pipeline_cache.PIPELINE_CACHE.clear()
    face, half = generate_faces(make_request(tmp_path, model, 1))[0]
    pipeline_cache.PIPELINE_CACHE.clear()
    assert face.drawn_with["dtype"] == "float16"
    assert 0 < np.abs(decode_pixels(half) - decode_pixels(single)).max() < 40
