"""Check AVIF and HEIC files, whose decoders trust the size that the container states.

Both are HEIF: boxes that describe items, of which one is the picture; others are its tiles, its
transparency, thumbnails and metadata. A picture of 16,384 pixels a side fits into a file of some
kilobytes that states 64. Source: the AVIF specification, and ISO/IEC 23008-12.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from data_collection.images.containers import coded_headers
from data_collection.images.containers.heif_boxes import (
    MAX_READS,
    OTHER_KIND,
    BoxReader,
    Item,
    read_items,
)
from data_collection.images.errors import UnreadableImage

KINDS_BY_CODING = {b"av01": "AVIF", b"hvc1": "HEIC"}

MAX_PADDING_PX = 64
"""HEVC codes whole blocks: a side may be so much longer than the picture's."""

SRGB_PRIMARIES = 1

_TILES = b"grid"
_HDR_TRANSFERS = (16, 18)
_NO_PICTURE = (
    "videos, and sequences without a still picture, are not opened; save a picture of it as JPEG"
)


@dataclass(frozen=True)
class HeifHeader:
    """The picture of an AVIF or HEIC file.

    Attributes:
        kind: "AVIF" or "HEIC".
        primaries: number of its colour primaries (ITU-T H.273).
    """

    kind: str
    primaries: int


def is_heif(data: bytes) -> bool:
    """Return whether a file is one of boxes, which AVIF, HEIC and videos are."""
    return data[4:8] == b"ftyp"


def check_heif(data: bytes, max_pixels: int) -> HeifHeader:
    """Return what the file holds.

    Raises:
        UnreadableImage: it holds no picture that is opened, is damaged, or is HDR.
        DecompressionBombError: the picture, a tile, a layer or a thumbnail has more pixels than
            `max_pixels`, or the tiles together have more than twice as many.
    """
    try:
        return _check_items(data, max_pixels)
    except IndexError:
        raise UnreadableImage("damaged: the boxes of its header do not fit together") from None


def _check_items(data: bytes, max_pixels: int) -> HeifHeader:
    primary, items = read_items(data)
    if primary not in items:
        raise UnreadableImage(_NO_PICTURE)
    layers = [item for item in items.values() if primary in item.layer_of]
    codings: set[bytes] = set()
    for item in (items[primary], *layers):
        tiles = [items[part].coding for part in item.parts if part in items]
        codings.update(tiles if item.coding == _TILES else [item.coding])
    kinds = {KINDS_BY_CODING.get(coding, "") for coding in codings}
    if len(kinds) != 1 or "" in kinds:
        raise UnreadableImage(OTHER_KIND)
    pixels = {number: _count_pixels(data, item, max_pixels) for number, item in items.items()}
    for item in items.values():
        if sum(pixels.get(part, 0) for part in item.parts) > 2 * max_pixels:
            raise Image.DecompressionBombError
    return HeifHeader(kinds.pop(), _read_primaries(data, items[primary], items))


def _count_pixels(data: bytes, item: Item, max_pixels: int) -> int:
    """Return the pixels of an item, 0 for metadata, once it has as many as it states."""
    stated = [_read_size(content) for kind, content in item.properties if kind == b"ispe"]
    coded = list(_iterate_coded_sizes(data, item))
    sizes = stated or coded
    if any(width * height > max_pixels for width, height in sizes):
        raise Image.DecompressionBombError
    for width, height in sizes:
        most = width + MAX_PADDING_PX, height + MAX_PADDING_PX
        if any(wide > most[0] or high > most[1] for wide, high in coded):
            raise UnreadableImage("damaged: its header states another size than its picture has")
    return max((width * height for width, height in coded), default=0)


def _read_size(box: bytes) -> tuple[int, int]:
    return int.from_bytes(box[4:8]), int.from_bytes(box[8:12])


def _iterate_coded_sizes(data: bytes, item: Item) -> Iterator[tuple[int, int]]:
    """Yield every size in the coded data of an item, or in the head of its grid."""
    for kind, content in item.properties:
        if kind == b"hvcC" and item.coding == b"hvc1":
            yield from _iterate_hevc_sizes(data, item, content)
    if item.coding == b"av01":
        for sequence in coded_headers.iterate_av1_sequences(item.read(data)):
            yield sequence.width, sequence.height
    elif item.coding == _TILES:
        grid = item.read(data)
        size = 4 if grid[1] & 1 else 2
        yield int.from_bytes(grid[4 : 4 + size]), int.from_bytes(grid[4 + size : 4 + 2 * size])


def _iterate_hevc_sizes(data: bytes, item: Item, setup: bytes) -> Iterator[tuple[int, int]]:
    """Yield the sizes in the parameter sets of a decoder's set-up, and in the data itself."""
    reader = BoxReader(setup, 22, len(setup), [MAX_READS])
    for _ in range(reader.read(1)):
        reader.take(1)
        for _ in range(reader.read(2)):
            yield from coded_headers.read_hevc_sizes(reader.take(reader.read(2)))
    length_size = (setup[21] & 3) + 1
    yield from coded_headers.iterate_hevc_sizes(item.read(data), length_size)


def _read_primaries(data: bytes, picture: Item, items: dict[int, Item]) -> int:
    """Return the number of a picture's primaries, by its profile, its box, or else its AV1 data."""
    colours = [content for kind, content in reversed(picture.properties) if kind == b"colr"]
    boxes = {content[:4]: content for content in colours}  # the first of each kind
    if boxes.keys() & {b"prof", b"rICC"}:
        return SRGB_PRIMARIES  # the profile decides
    if b"nclx" in boxes:
        primaries, transfer = (int.from_bytes(boxes[b"nclx"][at : at + 2]) for at in (4, 6))
    else:
        primaries, transfer = _read_coded_colours(data, picture, items)
    if transfer in _HDR_TRANSFERS:
        raise UnreadableImage("HDR (PQ or HLG) is not opened; save it as JPEG")
    return primaries


def _read_coded_colours(data: bytes, picture: Item, items: dict[int, Item]) -> tuple[int, int]:
    """Return primaries and transfer from the AV1 data of a picture, or of its first tile."""
    for item in (picture, *(items[part] for part in picture.parts if part in items)):
        if item.coding == b"av01":
            for sequence in coded_headers.iterate_av1_sequences(item.read(data)):
                return sequence.primaries, sequence.transfer
    return SRGB_PRIMARIES, coded_headers.UNKNOWN_COLOURS
