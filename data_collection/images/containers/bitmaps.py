"""Check BMP, PPM and TIFF files, some kinds of which Pillow decodes in Python."""

import re

import numpy as np

from data_collection.images.errors import UnreadableImage

BMP_SIGNATURE = b"BM"
TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

MAX_TIFF_STRIPS = 100_000
"""Pillow reads each in Python; a strip holds a row at least, and no picture has as many."""

MAX_PPM_HEADER_BYTES = 4096

_RUN_LENGTH_ENCODINGS = (1, 2)
_SPACE = rb"(?:[ \t\n\v\f\r]|#[^\r\n]*[\r\n])+"
_UNREAD_PPM = re.compile(rb"P(?:[123f]|0CMYK|yP|yRGBA|yCMYK)\s")
_BITS_HEADER = re.compile(rb"P4" + 2 * (_SPACE + rb"(\d{1,10})") + rb"\s")
_PPM_HEADER = re.compile(rb"(P[56])" + 3 * (_SPACE + rb"(\d{1,10})") + rb"\s")
_STRIP_OFFSETS, _TILE_OFFSETS = 273, 324


def check_bmp(data: bytes) -> None:
    """Refuse run-length encoding, 5 seconds for a crafted file of 20 MB.

    Raises:
        UnreadableImage: the file has it.
    """
    has_compression = int.from_bytes(data[14:18], "little") >= 40
    if has_compression and int.from_bytes(data[30:34], "little") in _RUN_LENGTH_ENCODINGS:
        raise UnreadableImage("BMP with run-length encoding is not opened; save it as PNG")


def check_ppm(data: bytes) -> bytes:
    """Return a file that Pillow opens without a loop in Python, of the same picture.

    Samples on another scale than 0 to 255 or 65,535 are scaled as Pillow does it.

    Raises:
        UnreadableImage: the file is plain text, or its header is longer than a header.
    """
    if _UNREAD_PPM.match(data):
        raise UnreadableImage("PPM as plain text or floating point is not opened; save it as PNG")
    if data[:2] not in (b"P4", b"P5", b"P6"):
        return data
    pattern = _BITS_HEADER if data.startswith(b"P4") else _PPM_HEADER
    header = pattern.match(data[:MAX_PPM_HEADER_BYTES])
    if header is None:
        raise UnreadableImage("damaged: its PPM header is not complete")
    if pattern is _BITS_HEADER:
        return data
    width, height, top = (int(number) for number in header.groups()[1:])
    bands = 3 if header[1] == b"P6" else 1
    if not 0 < top < 65536 or top == 255 or (top == 65535 and bands == 1):
        return data
    depth = 2 if top > 255 else 1
    end = min(header.end() + width * height * bands * depth, len(data))
    end -= (end - header.end()) % depth
    samples = np.frombuffer(data[header.end() : end], f">u{depth}")
    new_top = 65535 if top > 255 and bands == 1 else 255
    scaled = np.rint(samples / top * new_top).clip(0, new_top)
    new_header = b"%s %d %d %d\n" % (header[1], width, height, new_top)
    return new_header + scaled.astype(">u2" if new_top > 255 else "u1").tobytes()


def check_tiff(data: bytes) -> None:
    """Refuse more strips or tiles than a picture has.

    Raises:
        UnreadableImage: the first directory names more than MAX_TIFF_STRIPS.
    """
    order = "little" if data.startswith(b"II") else "big"
    is_big = data[2:4] in (b"+\0", b"\0+")

    def read(start: int, size: int) -> int:
        return int.from_bytes(data[start : start + size], order)

    pointer = 8 if is_big else 4
    directory = read(pointer, pointer)
    count_size, entry_size = (8, 20) if is_big else (2, 12)
    for number in range(min(read(directory, count_size), 65_535)):
        entry = directory + count_size + number * entry_size
        is_strips = read(entry, 2) in (_STRIP_OFFSETS, _TILE_OFFSETS)
        if is_strips and read(entry + 4, pointer) > MAX_TIFF_STRIPS:
            raise UnreadableImage(
                f"a TIFF of more than {MAX_TIFF_STRIPS:,} strips, which only serves to waste time"
            )
