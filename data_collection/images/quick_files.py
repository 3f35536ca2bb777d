"""Tell from a file's headers whether decoding it is quick, whatever it contains.

Time then grows with pixels and bytes alone: libjpeg, libpng and libwebp need at most about a
second for 25 megapixels. Other kinds have decoders written in Python (BMP with run lengths, PPM of
odd depth), or structures that Pillow walks through in Python (TIFF)."""

import struct

MAX_QUICK_PIXELS = 25_000_000
MAX_JPEG_SEGMENTS = 200
"""Segments before the first scan; Pillow reads each in Python, and honest files have 60 at most."""

MAX_JPEG_SCANS = 20
"""Each scan covers all pixels; encoders write about ten."""

MAX_PNG_CHUNKS = 20_000
"""Pillow reads each in Python; one of 25 megapixels has a few thousand."""


def is_quick_to_decode(data: bytes) -> bool:
    """Return whether a file is a JPEG, PNG or WEBP without anything that only wastes time."""
    if data.startswith(b"\xff\xd8\xff"):
        return _is_quick_jpeg(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _is_quick_png(data)
    # an animation's frames are counted by walking through them
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP" and b"ANIM" not in data[:60]


def _is_quick_jpeg(data: bytes) -> bool:
    position, pixels = 2, 0
    for _ in range(MAX_JPEG_SEGMENTS):
        marker, length = data[position : position + 2], data[position + 2 : position + 4]
        if len(length) < 2 or marker[0] != 0xFF:
            return False
        if marker[1] == 0xDA:
            return 0 < pixels <= MAX_QUICK_PIXELS and data.count(b"\xff\xda") <= MAX_JPEG_SCANS
        if 0xC0 <= marker[1] <= 0xC2:
            height, width = struct.unpack(">HH", data[position + 5 : position + 9].ljust(4, b"\0"))
            pixels = height * width
        position += 2 + int.from_bytes(length, "big")
    return False


def _is_quick_png(data: bytes) -> bool:
    width, height = struct.unpack(">II", data[16:24].ljust(8, b"\0"))
    if width * height > MAX_QUICK_PIXELS:
        return True  # refused from its header
    position = 8
    for _ in range(MAX_PNG_CHUNKS):
        length, kind = data[position : position + 4], data[position + 4 : position + 8]
        if kind in (b"IEND", b""):
            return True
        position += 12 + int.from_bytes(length, "big")
    return False
