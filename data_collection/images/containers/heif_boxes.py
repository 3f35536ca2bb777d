"""Read the boxes of a HEIF file: the items that AVIF and HEIC are made of.

Sources: ISO/IEC 14496-12 and ISO/IEC 23008-12.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from data_collection.images.errors import UnreadableImage

MAX_READS = 200_000
"""Numbers that are read from a file's boxes; a picture of 200 tiles takes some thousand."""

MAX_ITEM_PARTS = 1000
"""Pieces in which an item lies in the file; usually one."""

OTHER_KIND = "HEIF of another kind than HEIC and AVIF; save it as JPEG or PNG"


@dataclass
class Item:
    """An item: type of its coding, places in the file, properties by type, the items that it is
    made of, and those of which it is a layer (transparency, depth)."""

    coding: bytes = b""
    extents: list[tuple[int, int]] = field(default_factory=list)
    properties: list[tuple[bytes, bytes]] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    layer_of: list[int] = field(default_factory=list)

    def read(self, data: bytes, limit: int | None = None) -> bytes:
        """Return the item's content in a file, its first `limit` bytes."""
        parts = (data[start : start + size][:limit] for start, size in self.extents)
        return b"".join(parts)[:limit]


class BoxReader:
    """Read numbers of a box, with one budget for the whole file."""

    def __init__(self, data: bytes, start: int, end: int, budget: list[int]):
        self.data, self.position, self.end, self.budget = data, start, end, budget

    def read(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def take(self, size: int) -> bytes:
        self.budget[0] -= 1
        if self.budget[0] < 0:
            raise UnreadableImage("a file of very many boxes, which only serves to waste time")
        start, self.position = self.position, self.position + size
        if self.position > self.end:
            raise IndexError
        return self.data[start : self.position]

    def iterate_boxes(self) -> Iterator[tuple[bytes, "BoxReader"]]:
        """Yield the type and the content of every box in the rest of this one."""
        while self.position + 8 <= self.end:
            start = self.position
            size, kind = self.read(4), self.take(4)
            if size == 1:
                size = self.read(8)
            end = self.end if size == 0 else min(start + size, self.end)
            if end < self.position:
                raise IndexError
            yield kind, BoxReader(self.data, self.position, end, self.budget)
            self.position = end

    def read_version(self) -> int:
        """Return the version of a full box; the flags are skipped."""
        version = self.read(1)
        self.take(3)
        return version


def read_items(data: bytes) -> tuple[int, dict[int, Item]]:
    """Return the number of the picture's item, -1 if there is none, and all items."""
    budget, primary, items = [MAX_READS], -1, {}
    boxes = _read_once(BoxReader(data, 0, len(data), budget), (b"meta",))
    if b"meta" in boxes:
        boxes[b"meta"].read_version()
        boxes = _read_once(boxes[b"meta"], (b"pitm", b"idat", *_BOX_READERS))
    if b"pitm" in boxes:
        primary = boxes[b"pitm"].read(4 if boxes[b"pitm"].read_version() else 2)
    for kind, read in _BOX_READERS.items():
        if kind in boxes:
            storage = boxes[b"idat"].position if b"idat" in boxes else len(data)
            read(boxes[kind], items, storage)
    return primary, items


def iterate_file_boxes(data: bytes) -> Iterator[tuple[bytes, BoxReader]]:
    """Yield the type and the content of every box of a file; errors as `read_items` raises them."""
    return BoxReader(data, 0, len(data), [MAX_READS]).iterate_boxes()


def _read_once(box: BoxReader, kinds: Collection[bytes]) -> dict[bytes, BoxReader]:
    """Return the boxes of some kinds; a second one of a kind could be the one that a decoder
    reads."""
    found: dict[bytes, BoxReader] = {}
    for kind, child in box.iterate_boxes():
        if kind in found:
            raise IndexError
        if kind in kinds:
            found[kind] = child
    return found


def _read_codings(box: BoxReader, items: dict[int, Item], _: int) -> None:
    box.take(4 if box.read_version() else 2)
    for kind, entry in box.iterate_boxes():
        version = entry.read_version()
        if kind == b"infe" and version >= 2:
            number = entry.read(4 if version > 2 else 2)
            entry.take(2)
            if number in items:
                raise IndexError
            items[number] = Item(entry.take(4))


def _read_places(box: BoxReader, items: dict[int, Item], storage: int) -> None:
    version = box.read_version()
    sizes = box.read(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    for _ in range(box.read(4 if version > 1 else 2)):
        item = items.get(box.read(4 if version > 1 else 2), Item())
        method = box.read(2) & 15 if version else 0
        box.take(2)
        base = box.read(base_size) + (storage if method == 1 else 0)
        count = box.read(2)
        if method > 1 or count > MAX_ITEM_PARTS:
            raise UnreadableImage(OTHER_KIND)
        for _ in range(count):
            box.take(index_size)
            start, size = base + box.read(offset_size), box.read(length_size)
            item.extents.append((start, size or len(box.data)))


def _read_properties(box: BoxReader, items: dict[int, Item], _: int) -> None:
    properties: list[tuple[bytes, bytes]] = []
    for kind, child in box.iterate_boxes():
        if kind == b"ipco":
            properties = [
                (kind, entry.data[entry.position : entry.end])
                for kind, entry in child.iterate_boxes()
            ]
        elif kind == b"ipma":
            _assign_properties(child, items, properties)


def _assign_properties(
    box: BoxReader, items: dict[int, Item], properties: list[tuple[bytes, bytes]]
) -> None:
    version, size = box.read(1), 2 if box.read(3) & 1 else 1
    for _ in range(box.read(4)):
        item = items.get(box.read(4 if version else 2), Item())
        for _ in range(box.read(1)):
            number = box.read(size) & (0x7FFF if size == 2 else 0x7F)
            if 0 < number <= len(properties):
                item.properties.append(properties[number - 1])


def _read_parts(box: BoxReader, items: dict[int, Item], _: int) -> None:
    size = 4 if box.read_version() else 2
    for kind, entry in box.iterate_boxes():
        item = items.get(entry.read(size), Item())
        numbers = [entry.read(size) for _ in range(entry.read(2))]
        if kind == b"dimg":
            item.parts += numbers
        elif kind == b"auxl":
            item.layer_of += numbers


_BOX_READERS = {
    b"iinf": _read_codings,
    b"iloc": _read_places,
    b"iprp": _read_properties,
    b"iref": _read_parts,
}
