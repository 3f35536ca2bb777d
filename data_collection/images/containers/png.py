"""Leave metadata out of a PNG that Pillow would refuse for its size.

Source: PNG third edition, sections 5 and 11.3.
"""

import zlib
from collections.abc import Iterator

from data_collection.images.errors import UnreadableImage

SIGNATURE = b"\x89PNG\r\n\x1a\n"

MAX_CHUNKS = 100_000
"""Pillow reads each in Python; a PNG of 200 MB in libpng's pieces of 8 kB has 25,000."""

MAX_TEXT_BYTES = 1024 * 1024
"""Size of a compressed text or colour profile, unpacked. Pillow refuses the whole picture beyond
it; workflows of generators and the XMP of editors are longer."""

MAX_ALL_TEXT_BYTES = 60_000_000
"""Size of all texts together; Pillow refuses the picture from 64 MiB on."""

_PROFILE, _COMPRESSED_TEXT, _INTERNATIONAL_TEXT, _TEXT = b"iCCP", b"zTXt", b"iTXt", b"tEXt"


def drop_large_metadata(data: bytes) -> bytes:
    """Return the file without texts and profiles over the limits; the same object if it has none.

    Raises:
        UnreadableImage: the file has more than MAX_CHUNKS chunks.
    """
    left_out, all_text = [], 0
    for start, end, kind in iterate_chunks(data):
        if kind not in (_PROFILE, _COMPRESSED_TEXT, _INTERNATIONAL_TEXT, _TEXT):
            continue
        if all_text > MAX_ALL_TEXT_BYTES:
            left_out.append((start, end))  # nothing is unpacked any more
            continue
        content = data[start + 8 : end - 4]
        packed = _find_packed(kind, content)
        size = len(content) if packed is None else _measure_unpacked(packed)
        too_large = packed is not None and size > MAX_TEXT_BYTES
        if too_large or all_text + size > MAX_ALL_TEXT_BYTES:
            left_out.append((start, end))
        all_text += size
    return _cut_out(data, left_out) if left_out else data


def iterate_chunks(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield start, end and type of every chunk.

    Raises:
        UnreadableImage: the file has more than MAX_CHUNKS chunks.
    """
    start = len(SIGNATURE)
    for _ in range(MAX_CHUNKS):
        kind = data[start + 4 : start + 8]
        if len(kind) < 4:
            return
        end = start + 12 + int.from_bytes(data[start : start + 4])
        yield start, end, kind
        start = end
    raise UnreadableImage(
        f"a PNG of more than {MAX_CHUNKS:,} chunks, which only serves to waste time"
    )


def _find_packed(kind: bytes, content: bytes) -> bytes | None:
    """Return the compressed part of a text or a profile; None if nothing is compressed."""
    rest = content.partition(b"\0")[2]
    if kind == _TEXT or kind == _INTERNATIONAL_TEXT and rest[:1] != b"\1":
        return None
    return rest[2:].split(b"\0", 2)[-1] if kind == _INTERNATIONAL_TEXT else rest[1:]


def _measure_unpacked(packed: bytes) -> int:
    """Return the size, unpacked to hardly more than MAX_TEXT_BYTES."""
    try:
        return len(zlib.decompressobj().decompress(packed, MAX_TEXT_BYTES + 1))
    except zlib.error:
        return 0  # Pillow leaves it out itself


def _cut_out(data: bytes, spans: list[tuple[int, int]]) -> bytes:
    starts = [0, *(end for _, end in spans)]
    ends = [*(start for start, _ in spans), len(data)]
    return b"".join(data[start:end] for start, end in zip(starts, ends, strict=True))
