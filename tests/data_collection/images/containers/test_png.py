"""Metadata of any size costs a PNG neither its pixels nor time."""

import zlib

import numpy as np
import pytest
from PIL import PngImagePlugin

from data_collection.images import decode, errors
from data_collection.images.containers import png
from faults.fuzzing import make_png
from toys.images import encode_image, make_image

LARGE_TEXT = "x" * (png.MAX_TEXT_BYTES + 1)


def encode_with_text(write: str, text: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    if write == "zTXt":
        info.add_text("workflow", text, zip=True)
    else:
        info.add_itxt("XML:com.adobe.xmp", text, zip=write == "packed iTXt")
    return encode_image(make_image(1), pnginfo=info)


@pytest.mark.parametrize("kind", ["zTXt", "packed iTXt", "plain iTXt"])
def test_a_long_text_is_left_out_and_the_pixels_are_read(kind):
    face = decode.decode_face(encode_with_text(kind, LARGE_TEXT))
    assert np.array_equal(np.asarray(face.square), np.asarray(make_image(1)))


def test_a_large_profile_is_left_out_and_the_pixels_are_read():
    data = encode_image(make_image(1), icc_profile=bytes(png.MAX_TEXT_BYTES + 1))
    assert np.array_equal(np.asarray(decode.decode_face(data).square), np.asarray(make_image(1)))


def test_a_text_within_the_limits_is_kept():
    turned = encode_with_text("packed iTXt", '<x tiff:Orientation="6"/>')
    assert png.drop_large_metadata(turned) is turned


def test_many_texts_are_unpacked_up_to_a_limit_of_all():
    bomb = b"zTXt", b"a\0\0" + zlib.compress(bytes(png.MAX_TEXT_BYTES), 9)
    face = decode.decode_face(make_png(8, 8, bytes(72), *[bomb] * 200))
    assert face.square.size == (8, 8)


def test_very_many_chunks_are_refused():
    with pytest.raises(errors.UnreadableImage, match="more than 100,000 chunks"):
        decode.decode_face(make_png(8, 8, bytes(72), *[(b"abCd", b"")] * 100_001))
