"""Tell from a file's headers whether decoding it is quick, whatever it contains.

Time then grows with pixels and bytes alone: libjpeg, libpng and libwebp need at most about a
second for 25 megapixels, and BMP, PPM and TIFF of plain kinds less. Others have decoders written in
Python (BMP with run lengths), or structures that Pillow walks through in Python (TIFF)."""

import itertools
import struct
from collections.abc import Callable

from data_collection.images.containers import bitmaps, jpeg, png, tiff
from data_collection.images.errors import UnreadableImage

MAX_QUICK_PIXELS = 25_000_000
MAX_PIXELS_IN_HALF_A_SECOND = 7_000_000
"""Pixels of a PNG or progressive JPEG; one of 25 megapixels needs 0.6 to 1.2 seconds, a baseline
JPEG 0.3 to 0.5."""

MAX_JPEG_SEGMENTS = 200
"""Segments before the first scan; Pillow reads each in Python, and honest files have 60 at most."""

MAX_JPEG_SCANS = 20
"""Each scan covers all pixels; encoders write about ten."""

MAX_PNG_CHUNKS = 20_000
"""Pillow reads each in Python; one of 25 megapixels has a few thousand."""

_PLAIN_KINDS: dict[tuple[bytes, ...], Callable[[bytes], int]] = {
    (bitmaps.BMP_SIGNATURE,): bitmaps.count_plain_bmp_pixels,
    (b"P5", b"P6"): bitmaps.count_plain_ppm_pixels,
    tiff.SIGNATURES: tiff.count_plain_pixels,
}


def is_quick_to_decode(data: bytes) -> bool:
    """Return whether a file is a plain BMP, PPM or TIFF, or a JPEG, PNG or WEBP without anything
    that only wastes time."""
    if data.startswith(jpeg.SIGNATURE):
        return _read_quick_jpeg(data) is not None
    if data.startswith(png.SIGNATURE):
        return _is_quick_png(data)
    for signatures, count_plain_pixels in _PLAIN_KINDS.items():
        if data.startswith(signatures):
            return 0 < count_plain_pixels(data) <= MAX_QUICK_PIXELS
    # an animation's frames are counted by walking through them
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP" and b"ANIM" not in data[:60]


def is_decoded_in_half_a_second(data: bytes) -> bool:
    """Return whether a quick file is a baseline JPEG, or another JPEG or a PNG that is small."""
    if data.startswith(png.SIGNATURE):
        return _is_quick_png(data) and _count_png_pixels(data) <= MAX_PIXELS_IN_HALF_A_SECOND
    header = _read_quick_jpeg(data) if data.startswith(jpeg.SIGNATURE) else None
    return header is not None and (
        not header.is_buffered or header.width * header.height <= MAX_PIXELS_IN_HALF_A_SECOND
    )


def _read_quick_jpeg(data: bytes) -> jpeg.JpegHeader | None:
    """Return the header of a JPEG; None if it wastes time, or is to be refused."""
    try:
        header = jpeg.check_header(data)
    except UnreadableImage:
        return None
    is_quick = (
        header is not None
        and header.is_scalable
        and not header.is_arithmetic
        and header.segments <= MAX_JPEG_SEGMENTS
        and 0 < header.width * header.height <= MAX_QUICK_PIXELS
        and header.scans <= MAX_JPEG_SCANS
    )
    return header if is_quick else None


def _is_quick_png(data: bytes) -> bool:
    if _count_png_pixels(data) > MAX_QUICK_PIXELS:
        return True  # refused from its header
    chunks = itertools.islice(png.iterate_chunks(data), MAX_PNG_CHUNKS + 1)
    before_end = itertools.takewhile(lambda chunk: chunk[2] != b"IEND", chunks)
    return sum(1 for _ in before_end) < MAX_PNG_CHUNKS


def _count_png_pixels(data: bytes) -> int:
    width, height = struct.unpack(">II", data[16:24].ljust(8, b"\0"))
    return width * height
