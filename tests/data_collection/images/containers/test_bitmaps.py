"""Kinds of BMP and PPM that Pillow decodes in Python are refused, or read without it."""

import io

import numpy as np
import pytest
from PIL import Image

from data_collection.images import decode, errors
from data_collection.images.containers import bitmaps
from faults import fuzzing


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"P3 300 300 255\n" + b"#\n" * 500_000 + b"1 2 3 " * 100, "PPM as plain text"),
        (b"P2 3 3 255\n" + b"9 " * 9, "PPM as plain text"),
        (b"P1 3 3\n" + b"1 " * 9, "PPM as plain text"),
        (b"Pf 3 3\n-1.0\n" + bytes(36), "floating point"),
        (b"P5\n#" + b"a" * 5000 + b"\n3 3 255\n" + bytes(9), "header"),
        (b"P4\n#" + b"a" * 5000 + b"\n3 3\n" + bytes(9), "header"),
        (fuzzing.make_bmp_with_run_lengths(), "run-length"),
    ],
)
def test_what_pillow_decodes_in_python_is_refused(data, reason):
    with pytest.raises(errors.UnreadableImage, match=reason):
        decode.decode_face(data)


@pytest.mark.parametrize(
    ("magic", "top"), [("P5", 100), ("P5", 300), ("P5", 4095), ("P6", 100), ("P6", 65535)]
)
def test_samples_on_another_scale_are_scaled_as_pillow_does_it(magic, top):
    bands = 3 if magic == "P6" else 1
    samples = np.random.default_rng(0).integers(0, top + 1, 40 * 30 * bands)
    samples = samples.astype(">u2" if top > 255 else "u1").tobytes()
    data = b"%s # scale\n40 30 %d\n" % (magic.encode(), top) + samples
    with Image.open(io.BytesIO(data)) as slow:
        expected = np.asarray(slow)
    with Image.open(io.BytesIO(bitmaps.check_ppm(data))) as fast:
        assert np.array_equal(np.asarray(fast), expected)


def test_a_short_file_on_another_scale_is_called_damaged():
    with pytest.raises(errors.UnreadableImage, match="damaged"):
        decode.decode_face(b"P6 30 30 4095\n" + bytes(99))
