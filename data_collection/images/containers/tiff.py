"""Check TIFF files, whose structures Pillow walks through in Python, before Pillow opens them.

Source: TIFF 6.0.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from data_collection.images.errors import UnreadableImage

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

MAX_STRIPS = 100_000
"""Pillow reads each in Python; a strip holds a row at least, and no picture has as many."""

MAX_PLAIN_TAGS, MAX_PLAIN_NUMBERS = 100, 10_000
"""Tags of a plain file, and the numbers that one of them may hold; each is read in Python."""

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _COLOURS = 256, 257, 258, 259, 262
_STRIP_OFFSETS, _STRIP_SIZES, _TILE_OFFSETS = 273, 279, 324
_UNCOMPRESSED, _LZW_AND_DEFLATE = 1, (5, 8, 32946)
_PLAIN_COLOURS = (0, 1, 2, 3)
_TYPES_OF_TEXT, _SIZES_OF_NUMBERS = (1, 2, 6, 7), {3: 2, 4: 4}


@dataclass(frozen=True)
class Tag:
    """An entry of the first directory: its number, type, count of values, and where they stand."""

    number: int
    type: int
    count: int
    start: int


class TiffReader:
    """Read numbers of a TIFF in its order of bytes; 0 behind its end."""

    def __init__(self, data: bytes):
        self.data = data
        self.order = "little" if data.startswith(b"II") else "big"
        self.is_big = data[2:4] in (b"+\0", b"\0+")
        self._pointer, self._count, self._entry = (8, 8, 20) if self.is_big else (4, 2, 12)
        self._directory = self.read(self._pointer, self._pointer)
        self.tag_count = self.read(self._directory, self._count)

    def read(self, start: int, size: int) -> int:
        return int.from_bytes(self.data[start : start + size], self.order)

    def iterate_tags(self) -> Iterator[Tag]:
        for number in range(min(self.tag_count, 65_535)):
            entry = self._directory + self._count + number * self._entry
            tag, kind = self.read(entry, 2), self.read(entry + 2, 2)
            yield Tag(tag, kind, self.read(entry + 4, self._pointer), entry + 4 + self._pointer)

    def has_more_pages(self) -> bool:
        end = self._directory + self._count + self.tag_count * self._entry
        return self.read(end, self._pointer) > 0

    def read_numbers(self, tag: Tag | None) -> list[int]:
        """Return the values of a tag of short or long numbers; [] for others, or without one."""
        size = _SIZES_OF_NUMBERS.get(tag.type) if tag else None
        if size is None:
            return []
        start = tag.start if size * tag.count <= self._pointer else self.read(tag.start, 4)
        return [self.read(start + number * size, size) for number in range(tag.count)]


def check_tiff(data: bytes) -> None:
    """Refuse more strips or tiles than a picture has.

    Raises:
        UnreadableImage: the first directory names more than MAX_STRIPS.
    """
    for tag in TiffReader(data).iterate_tags():
        if tag.number in (_STRIP_OFFSETS, _TILE_OFFSETS) and tag.count > MAX_STRIPS:
            raise UnreadableImage(
                f"a TIFF of more than {MAX_STRIPS:,} strips, which only serves to waste time"
            )


def count_plain_pixels(data: bytes) -> int:
    """Return the pixels of a TIFF of one page whose decoding is bounded by them; 0 for others.

    Its bytes are read once: strips of a crafted file may all be the same megabytes.
    """
    reader = TiffReader(data)
    if reader.is_big or reader.tag_count > MAX_PLAIN_TAGS or reader.has_more_pages():
        return 0
    tags = {tag.number: tag for tag in reader.iterate_tags()}
    numbers = [tag.count for tag in tags.values() if tag.type not in _TYPES_OF_TEXT]
    if len(tags) < reader.tag_count or max(numbers, default=0) > MAX_PLAIN_NUMBERS:
        return 0
    values = {number: reader.read_numbers(tags.get(number)) for number in (_WIDTH, _HEIGHT)}
    compression = reader.read_numbers(tags.get(_COMPRESSION)) or [_UNCOMPRESSED]
    sizes = reader.read_numbers(tags.get(_STRIP_SIZES))
    is_plain = (
        all(len(value) == 1 for value in (*values.values(), compression))
        and reader.read_numbers(tags.get(_COLOURS))[:1] in [[colour] for colour in _PLAIN_COLOURS]
        and max(reader.read_numbers(tags.get(_BITS)), default=1) <= 16
        and _STRIP_OFFSETS in tags
        and len(sizes) == tags[_STRIP_OFFSETS].count
        and min(sizes, default=0) > 0
        and sum(sizes) <= len(data)
        and compression[0] in (_UNCOMPRESSED, *_LZW_AND_DEFLATE)
    )
    return values[_WIDTH][0] * values[_HEIGHT][0] if is_plain else 0
