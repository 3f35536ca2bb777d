"""Walk the segments of a JPEG up to the picture's own end.

Whatever comes behind it (a phone's video, a depth map, a second picture, an archive) is not looked
at. Source: ITU-T T.81 annex B.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from data_collection.images.errors import UnreadableImage

SIGNATURE = b"\xff\xd8\xff"

MAX_SEGMENTS = 10_000
"""Pillow reads each in Python: a crafted file of 20 MB has 4.5 million, 7 seconds. A segment holds
up to 64 kB, so 200 MB of metadata have 3,100."""

MAX_FILLER_BYTES = 100_000
"""Bytes between segments that belong to none; Pillow reads each in Python."""

MAX_METADATA_PARTS = 100
"""A part holds 64 kB at most; Pillow joins those of EXIF in quadratic time, a minute for a crafted
JPEG of 100 MB."""

MAX_SCANS = 100
"""Encoders write about ten, and each scan covers all pixels."""

_START_OF_IMAGE, _END_OF_IMAGE, _START_OF_SCAN = 0xD8, 0xD9, 0xDA
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
_START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SCALABLE_FRAMES = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
_PROGRESSIVE_FRAMES = {0xC2, 0xCA}
_SPLIT_METADATA = {0xE1: b"Exif\0\0", 0xED: b"Photoshop 3.0\0"}

# In compressed data, FF 00 is a value, FF D0 to D7 is a restart, and FF FF is filler.
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


@dataclass(frozen=True)
class JpegHeader:
    """The frame of a JPEG.

    Attributes:
        width, height: in pixels, as stored.
        segments: number of segments up to the first scan.
        scans: number of scans, at most: a mark of one may lie behind the end of the picture.
        samples: number of samples of all components, as libjpeg holds them.
        is_arithmetic: whether it is coded arithmetically, which is slow to decode.
        is_scalable: whether it can be decoded at a part of its size.
        is_buffered: whether libjpeg holds all coefficients, two bytes a sample, before it writes
            the first pixel: progressive, or components in scans of their own.
    """

    width: int
    height: int
    segments: int
    scans: int
    samples: int
    is_arithmetic: bool
    is_scalable: bool
    is_buffered: bool


def check_header(data: bytes) -> JpegHeader | None:
    """Return the frame, None if there is none before the first scan.

    Raises:
        UnreadableImage: the file only serves to waste time.
    """
    metadata_parts, frame = 0, None
    for number, (marker, content) in enumerate(_iterate_header(data), 1):
        beginning = _SPLIT_METADATA.get(marker)
        metadata_parts += bool(beginning) and data.startswith(beginning, content)
        if metadata_parts > MAX_METADATA_PARTS:
            raise _refuse_as_waste(f"EXIF in more than {MAX_METADATA_PARTS} parts")
        if marker in _START_OF_FRAME:
            frame = marker, content
        elif marker == _START_OF_SCAN:
            scans = data.count(b"\xff\xda", content - 4)
            if scans > MAX_SCANS:
                _check_scans(data, content)
            return _read_frame(data, *frame, content, number, scans) if frame else None
    return None


def _iterate_header(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield marker and position of the content of every segment up to the first scan, as Pillow
    reads them: bytes that belong to no segment are skipped."""
    position, filler = 2, 0
    for _ in range(MAX_SEGMENTS):
        start = data.find(b"\xff", position)
        while start >= 0 and data[start + 1 : start + 2] in (b"\xff", b"\x00"):
            # FF FF is filler, FF 00 no marker
            step = data.find(b"\xff", start + (1 if data[start + 1] else 2))
            filler += max(0, step - start)
            start = step
            if filler > MAX_FILLER_BYTES:
                break
        filler += start - position
        if filler > MAX_FILLER_BYTES:
            raise _refuse_as_waste(f"a JPEG with {MAX_FILLER_BYTES:,} bytes outside its segments")
        if start < 0 or start + 4 > len(data):
            return
        marker = data[start + 1]
        yield marker, start + 4
        if marker in (_START_OF_SCAN, _END_OF_IMAGE):
            return
        is_short = marker in _WITHOUT_LENGTH
        length = 0 if is_short else int.from_bytes(data[start + 2 : start + 4])
        position = start + 2 + (0 if is_short else max(2, length))
    raise _refuse_as_waste(f"a JPEG of more than {MAX_SEGMENTS:,} segments")


def _check_scans(data: bytes, position: int) -> None:
    """Refuse too many scans before the picture's end; `position` is in the first one's header."""
    scans = 1
    for _ in range(MAX_SEGMENTS):
        found = _MARKER_IN_SCAN.search(data, position)
        if found is None or data[found.start() + 1] == _END_OF_IMAGE:
            return
        marker, position = data[found.start() + 1], found.end()
        scans += marker == _START_OF_SCAN
        if scans > MAX_SCANS:
            raise _refuse_as_waste(f"a JPEG of more than {MAX_SCANS} scans")
        if marker >= 0xC0 and marker not in _WITHOUT_LENGTH:
            position += max(2, int.from_bytes(data[position : position + 2]))
    raise _refuse_as_waste(f"a JPEG of more than {MAX_SEGMENTS:,} segments")


def _read_frame(
    data: bytes, marker: int, content: int, scan: int, segments: int, scans: int
) -> JpegHeader | None:
    height, width = (int.from_bytes(data[content + at : content + at + 2]) for at in (1, 3))
    components = data[content + 6 : content + 6 + 3 * data[content + 5 : content + 6][0]]
    factors = [(factor >> 4, factor & 15) for factor in components[1::3]]
    if not factors or not all(across and down for across, down in factors):
        return None
    widest, tallest = (max(sides) for sides in zip(*factors, strict=True))
    share = sum(across * down for across, down in factors) / (widest * tallest)
    return JpegHeader(
        width=width,
        height=height,
        segments=segments,
        scans=scans,
        samples=round(width * height * share),
        is_arithmetic=marker > 0xC8,
        is_scalable=marker in _SCALABLE_FRAMES,
        is_buffered=marker in _PROGRESSIVE_FRAMES or data[scan] < len(factors),
    )


def _refuse_as_waste(finding: str) -> UnreadableImage:
    return UnreadableImage(f"{finding}, which only serves to waste time")
