"""Tell from a file's headers whether decoding it is quick, whatever it contains.

Time then grows with pixels and bytes alone: libjpeg, libpng and libwebp need at most about a
second for 25 megapixels. Other kinds have decoders written in Python (BMP with run lengths, PPM of
odd depth), or structures that Pillow walks through in Python (TIFF)."""

import struct

from data_collection.images.containers import jpeg, png

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


def is_quick_to_decode(data: bytes) -> bool:
    """Return whether a file is a JPEG, PNG or WEBP without anything that only wastes time."""
    if data.startswith(jpeg.SIGNATURE):
        pixels, _ = _measure_quick_jpeg(data)
        return 0 < pixels <= MAX_QUICK_PIXELS
    if data.startswith(png.SIGNATURE):
        return _is_quick_png(data)
    # an animation's frames are counted by walking through them
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP" and b"ANIM" not in data[:60]


def is_decoded_in_half_a_second(data: bytes) -> bool:
    """Return whether a quick file is a baseline JPEG, or another JPEG or a PNG that is small."""
    if not is_quick_to_decode(data):
        return False
    if data.startswith(png.SIGNATURE):
        return _count_png_pixels(data) <= MAX_PIXELS_IN_HALF_A_SECOND
    pixels, is_baseline = _measure_quick_jpeg(data)
    return is_baseline or 0 < pixels <= MAX_PIXELS_IN_HALF_A_SECOND


def _measure_quick_jpeg(data: bytes) -> tuple[int, bool]:
    """Return the pixels of a JPEG, 0 if it wastes time, and whether it is a baseline one."""
    position, pixels, is_baseline = 2, 0, False
    for _ in range(MAX_JPEG_SEGMENTS):
        marker, length = data[position : position + 2], data[position + 2 : position + 4]
        if len(length) < 2 or marker[0] != 0xFF:
            break
        if marker[1] == 0xDA:
            is_quick = data.count(b"\xff\xda") <= MAX_JPEG_SCANS
            return (pixels if is_quick else 0), is_baseline
        if 0xC0 <= marker[1] <= 0xC2:
            height, width = struct.unpack(">HH", data[position + 5 : position + 9].ljust(4, b"\0"))
            pixels, is_baseline = height * width, marker[1] != 0xC2
        position += 2 + int.from_bytes(length, "big")
    return 0, False


def _is_quick_png(data: bytes) -> bool:
    if _count_png_pixels(data) > MAX_QUICK_PIXELS:
        return True  # refused from its header
    position = 8
    for _ in range(MAX_PNG_CHUNKS):
        length, kind = data[position : position + 4], data[position + 4 : position + 8]
        if kind in (b"IEND", b""):
            return True
        position += 12 + int.from_bytes(length, "big")
    return False


def _count_png_pixels(data: bytes) -> int:
    width, height = struct.unpack(">II", data[16:24].ljust(8, b"\0"))
    return width * height
