"""Images are decoded within a limit of seconds, in processes that are ended and replaced."""

import concurrent.futures
import io

import numpy as np
import pytest
from PIL import Image

from data_collection.images import decode, errors
from data_collection.images.decoding_pool import DecodingPool, DecodingProcess, TookTooLong
from data_collection.images.quick_files import (
    MAX_JPEG_SEGMENTS,
    is_decoded_in_half_a_second,
    is_quick_to_decode,
)
from faults import fuzzing
from toys.images import encode_image, make_image

IMAGES = {
    "png": encode_image(make_image(1)),
    "jpeg": encode_image(make_image(2, 90).resize((120, 90)), "JPEG"),
    "turned": encode_image(
        make_image(3).resize((99, 70)),
        "JPEG",
        exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0",
    ),
    "cmyk": encode_image(make_image(4).convert("CMYK"), "JPEG"),
    "tiff": encode_image(make_image(5), "TIFF", compression="tiff_lzw"),
    "bmp": encode_image(make_image(6), "BMP"),
    "grey": encode_image(make_image(7).convert("L"), "PPM"),
}


@pytest.fixture
def pool():
    pool = DecodingPool(is_decoded_here=lambda data: False)
    yield pool
    pool.close()


def test_a_process_gives_the_very_pixels_and_facts(pool):
    for name, data in IMAGES.items():
        here, there = decode.decode_whole(data), pool.decode_whole(data)
        assert np.array_equal(np.asarray(here.square), np.asarray(there.square)), name
        assert {**vars(here), "square": 0} == {**vars(there), "square": 0}
        assert np.array_equal(
            np.asarray(decode.decode_face(data).square), np.asarray(pool.decode_face(data).square)
        )


def test_why_an_image_is_refused_comes_through(pool):
    for data, error, words in (
        (b"<svg>", errors.UnknownImageFormat, "not an image"),
        (IMAGES["png"][:2000], errors.UnreadableImage, "damaged"),
        (b"", errors.UnknownImageFormat, "empty"),
    ):
        with pytest.raises(error, match=words):
            pool.decode_whole(data)


def test_an_image_that_takes_too_long_is_ended_and_the_next_is_decoded():
    large = encode_image(Image.effect_noise((3000, 3000), 90), "TIFF", compression="tiff_lzw")
    pool = DecodingPool(limit_s=0.001, is_decoded_here=lambda data: False)
    with pytest.raises(TookTooLong, match="longer than 0.001 seconds"):
        pool.decode_whole(large)
    pool.limit_s = 60
    assert pool.decode_whole(IMAGES["tiff"]).format == "TIFF"
    pool.close()


def test_an_image_can_be_ended_with_an_error_of_ones_own(pool):
    def end(process: DecodingProcess | None) -> None:
        if process:
            process.end(concurrent.futures.CancelledError)

    with pytest.raises(concurrent.futures.CancelledError):
        pool.decode_whole(IMAGES["tiff"], end)
    assert pool.decode_whole(IMAGES["tiff"])


def test_a_module_of_the_current_folder_is_not_imported(tmp_path, monkeypatch, pool):
    for name in ("PIL.py", "json.py", "data_collection.py"):
        (tmp_path / name).write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    assert pool.decode_whole(IMAGES["tiff"])


def make_animation() -> bytes:
    buffer = io.BytesIO()
    frames = [make_image(number, 40) for number in range(3)]
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def make_jpeg_of_many_segments(count: int) -> bytes:
    return IMAGES["jpeg"][:2] + b"\xff\xe7\0\2" * count + IMAGES["jpeg"][2:]


def make_jpeg_of_many_scans(count: int) -> bytes:
    data = encode_image(make_image(11), "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    return data[:start] + data[start:-2] * count + data[-2:]


def test_only_kinds_whose_decoding_is_bounded_are_decoded_in_the_command_itself():
    quick = [
        *IMAGES.values(),
        encode_image(make_image(8), "WEBP"),
        encode_image(Image.new("RGB", (30, 30)), "JPEG", progressive=True),
        make_jpeg_of_many_segments(50),
    ]
    assert all(map(is_quick_to_decode, quick))
    slow = [
        make_animation(),
        fuzzing.make_bmp_with_run_lengths(),
        b"P5 30 30 4095\n" + bytes(1800),
        b"P6 6000 6000 255\n",
        encode_image(make_image(1), "TIFF", compression="jpeg"),
        make_jpeg_of_many_segments(MAX_JPEG_SEGMENTS),
        make_jpeg_of_many_scans(60),
        IMAGES["png"][:33] + b"\0\0\0\0teXt\0\0\0\0" * 20_000 + IMAGES["png"][33:],
        *(IMAGES["jpeg"][:length] for length in range(30)),
    ]
    assert not any(map(is_quick_to_decode, slow))
    assert not any(map(is_decoded_in_half_a_second, slow))


def test_the_page_decodes_itself_only_kinds_that_need_less_than_half_a_second():
    large = Image.new("RGB", (3000, 3000))
    in_time = [IMAGES["png"], IMAGES["jpeg"], encode_image(large, "JPEG")]
    assert all(map(is_decoded_in_half_a_second, in_time))
    slower = [
        encode_image(large, "JPEG", progressive=True),
        encode_image(large, "PNG"),
        encode_image(make_image(8), "WEBP"),
        *(IMAGES[name] for name in ("tiff", "bmp", "grey")),
    ]
    assert not any(map(is_decoded_in_half_a_second, slower))
