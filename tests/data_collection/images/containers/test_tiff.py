"""TIFFs that only serve to waste time are refused; plain ones are known by their header."""

import io
import struct

import pytest
from PIL import Image

from data_collection.images import decode, errors
from data_collection.images.containers import tiff
from toys.images import encode_image, make_image

STRIPS_AT = 400
PIXELS = 64 * 64


def encode_tiff(
    *tags: tuple[int, ...], numbers: bytes = b"", order: str = "<", next_page: int = 0
) -> bytes:
    """Return a plain grey picture of 64 x 64 pixels in one strip.

    Args:
        tags: (number, type, count, value) in the place of its own, or besides.
        numbers: of tags, at STRIPS_AT; the pixels come before them.
    """
    values = {256: 64, 257: 64, 258: 8, 259: 1, 262: 1, 277: 1, 278: 64, 279: PIXELS}
    values[273] = STRIPS_AT
    entries = {tag: (4, 1, value) for tag, value in values.items()}
    rows = [(tag, *entry) for tag, entry in entries.items() if tag not in {row[0] for row in tags}]
    body = b"".join(struct.pack(f"{order}HHII", *row) for row in sorted([*rows, *tags]))
    count = len(rows) + len(tags)
    head = b"II*\0" if order == "<" else b"MM\0*"
    head += struct.pack(f"{order}IH", 8, count) + body + struct.pack(f"{order}I", next_page)
    return head.ljust(STRIPS_AT, b"\0") + numbers.ljust(PIXELS, b"\x55")


def repeat_strip(count: int, size: int) -> bytes:
    """Return a compressed picture whose strips are all the same bytes."""
    offsets = struct.pack("<I", STRIPS_AT) * count
    tags = ((259, 4, 1, 5), (278, 4, 1, 1), (273, 4, count, STRIPS_AT))
    sizes = struct.pack("<I", size) * count
    return encode_tiff(*tags, (279, 4, count, STRIPS_AT + len(offsets)), numbers=offsets + sizes)


def test_a_tiff_of_very_many_strips_is_refused():
    with pytest.raises(errors.UnreadableImage, match="more than 100,000 strips"):
        decode.decode_face(encode_tiff((273, 4, 100_001, 200)))


@pytest.mark.parametrize("order", "<>")
def test_the_picture_of_these_tests_is_plain_and_opens(order):
    data = encode_tiff(order=order)
    assert tiff.count_plain_pixels(data) == PIXELS
    assert decode.decode_whole(data).square.size == (64, 64)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "I;16"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
def test_what_programs_save_is_plain(mode, compression):
    picture = make_image(5, 90)
    picture = picture.convert("L").convert("I;16") if mode == "I;16" else picture.convert(mode)
    data = encode_image(picture, "TIFF", compression=compression)
    assert tiff.count_plain_pixels(data) == 90 * 90


def test_what_pillow_or_libtiff_may_read_for_long_is_not_plain():
    pages = io.BytesIO()
    make_image(1).save(pages, "TIFF", save_all=True, append_images=[make_image(2)])
    not_plain = [
        pages.getvalue(),
        encode_tiff(next_page=8),  # a page that is its own next one
        encode_image(make_image(1), "TIFF", compression="jpeg"),
        encode_image(make_image(1), "TIFF", big_tiff=True),
        encode_image(Image.new("F", (64, 64)), "TIFF"),
        repeat_strip(64, PIXELS),
        repeat_strip(64, 0),
        encode_tiff((258, 3, 2_000_000, STRIPS_AT)),
        encode_tiff((256, 4, 1, 64), (256, 4, 1, 9_000)),
        encode_tiff(*((40_000 + number, 1, 1, 0) for number in range(100))),
        encode_tiff((259, 4, 1, 32_773)),
        encode_tiff((262, 4, 1, 8)),
        b"II*\0",
        b"",
    ]
    assert [tiff.count_plain_pixels(data) for data in not_plain] == [0] * len(not_plain)
