"""A JPEG is looked at up to its own end, and no longer than an honest one takes."""

import numpy as np
import pytest
from PIL import Image

from data_collection.images import decode, errors, opening
from toys.images import encode_image, make_image

JPEG = encode_image(make_image(1), "JPEG")
VIDEO = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\xff\xda" * 500 + b"Exif\0\0" * 500


@pytest.mark.parametrize("progressive", [False, True])
def test_what_lies_behind_the_picture_is_not_looked_at(progressive):
    data = encode_image(make_image(1), "JPEG", progressive=progressive)
    expected = decode.decode_face(data).square.tobytes()
    assert decode.decode_face(data + VIDEO).square.tobytes() == expected


def test_scans_are_counted_up_to_the_end_of_the_picture():
    data = encode_image(make_image(1), "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    with pytest.raises(errors.UnreadableImage, match="more than 100 scans"):
        decode.decode_face(data[:start] + data[start:-2] * 200 + data[-2:] + VIDEO)


@pytest.mark.parametrize(
    ("waste", "reason"),
    [
        (b"\xff\xe3\0\2" * 20_000, "more than 10,000 segments"),
        (b"\xff\xd0" * 20_000, "more than 10,000 segments"),
        (b"\xff" * 200_000, "100,000 bytes outside"),
        (b"\xff\0" * 200_000, "100,000 bytes outside"),
        (b"\xff\xe3\0\2" + bytes(200_000), "100,000 bytes outside"),
        (b"\xff\xed\0\x10Photoshop 3.0\0" * 101, "more than 100 parts"),
    ],
)
def test_segments_that_only_waste_time_are_refused(waste, reason):
    with pytest.raises(errors.UnreadableImage, match=reason):
        decode.decode_face(JPEG[:2] + waste + JPEG[2:])


def test_a_little_filler_between_segments_is_read_as_pillow_reads_it():
    padded = JPEG[:2] + b"\xff\xe3\0\2" + bytes(20) + b"\xff\xff\xff" + JPEG[2:]
    assert decode.decode_face(padded).square.tobytes() == decode.decode_face(JPEG).square.tobytes()


def make_noise(width: int, height: int) -> Image.Image:
    levels = np.random.default_rng(0).integers(60, 196, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(levels).resize((2 * width, 2 * height), Image.Resampling.BICUBIC)


def decode_small(data: bytes) -> np.ndarray:
    small = decode.decode_face(data).square.resize((32, 32), Image.Resampling.LANCZOS)
    return np.asarray(small).astype(int)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_large_jpeg_is_decoded_at_a_part_of_its_size_and_looks_the_same(monkeypatch, progressive):
    data = encode_image(make_noise(200, 150), "JPEG", quality=90, progressive=progressive)
    expected = decode_small(data)
    monkeypatch.setattr(opening, "MAX_IMAGE_PIXELS", 40_000)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40_000)
    face = decode.decode_face(data)
    assert (face.width, face.height) == (400, 300) and face.square.size == (150, 150)
    assert np.abs(decode_small(data) - expected).max() <= 2


def test_a_jpeg_over_every_limit_is_told_what_to_do(monkeypatch):
    data = encode_image(make_noise(200, 150), "JPEG", progressive=True)
    monkeypatch.setattr(opening, "MAX_IMAGE_PIXELS", 40_000)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40_000)
    monkeypatch.setattr(opening, "MAX_COEFFICIENT_BYTES", 100_000)
    with pytest.raises(errors.UnreadableImage, match="save it as a JPEG that is not progressive"):
        decode.decode_face(data)
    monkeypatch.setattr(opening, "MAX_JPEG_PIXELS", 100_000)
    with pytest.raises(errors.UnreadableImage, match="save it smaller"):
        decode.decode_face(data)
