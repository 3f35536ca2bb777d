"""Check BMP and PPM files, some kinds of which Pillow decodes in Python."""

import re

import numpy as np

from data_collection.images.errors import UnreadableImage

BMP_SIGNATURE = b"BM"

MAX_PPM_HEADER_BYTES = 4096

_RUN_LENGTH_ENCODINGS, _PLAIN_ENCODINGS = (1, 2), (0, 3)
_SPACE = rb"(?:[ \t\n\v\f\r]|#[^\r\n]*[\r\n])+"
_UNREAD_PPM = re.compile(rb"P(?:[123f]|0CMYK|yP|yRGBA|yCMYK)\s")
_BITS_HEADER = re.compile(rb"P4" + 2 * (_SPACE + rb"(\d{1,10})") + rb"\s")
_PPM_HEADER = re.compile(rb"(P[56])" + 3 * (_SPACE + rb"(\d{1,10})") + rb"\s")


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


def count_plain_bmp_pixels(data: bytes) -> int:
    """Return the pixels of a BMP without compression; 0 for others."""
    has_compression = int.from_bytes(data[14:18], "little") >= 40
    is_plain = int.from_bytes(data[30:34], "little") in _PLAIN_ENCODINGS
    width, height = (int.from_bytes(data[at : at + 4], "little", signed=True) for at in (18, 22))
    return abs(width * height) if has_compression and is_plain else 0


def count_plain_ppm_pixels(data: bytes) -> int:
    """Return the pixels of a PPM or PGM on the scale of 0 to 255; 0 for others."""
    header = _PPM_HEADER.match(data[:MAX_PPM_HEADER_BYTES])
    width, height, top = (int(number) for number in header.groups()[1:]) if header else (0, 0, 0)
    return width * height if top == 255 else 0
