"""HEIC and AVIF files, put together box by box, also as no camera would."""

import base64
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

SIDE_PX = 64

GRADIENT = np.stack(
    [*np.mgrid[0:SIDE_PX, 0:SIDE_PX][::-1] * 4, np.full((SIDE_PX, SIDE_PX), 90)], axis=-1
).astype(np.uint8)
"""The picture that CODED holds: red grows to the right, green downwards."""

CODED = {
    "8 bits": (
        "AQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQArQgEBA3AAAAMAkAAA"
        "AwAAAwAeoCCBBZbqSSmubgIaDAgAAAMAyAAAAwAIQGIAAQAHRAHBcrAiQA==",
        "AAAAkSgBrwng6wjmFUx1IshpftnzL8+xuoOEVL1DxSguDwsoQ6nUsvndExveopnD97oaP4Vu/3mli4j8v0UwH6+snJIL"
        "wq527MIoRoQSu0sBu4OWBZVxi2HNzCoImY4FGT0GWI11K4zrUmPMvYRu65vUZD1d5hkqBhFS9kZvV9jrRCi3I3TFbepC"
        "hG1ihH1trPi3THA=",
    ),
    "10 bits": (
        "AQQIAAAAnbgAAAAAHvAA/P36+gAADwNgAAEAF0ABDAH//wQIAAADAJ24AAADAAAeugJAYQABAClCAQEECAAAAwCduAAA"
        "AwAAHqAggQTZbqSSmubgIaDAgAAADIAAAAMAhGIAAQAHRAHBcrAiQA==",
        "AAAAiygBrwngaGrOJjrA4gJYR7TL8+xuoOEVL8rxSgezwsoQ6nUsvndExveopnD97u6QSVi1JVnMl8bC/qLo00ZOYMXW"
        "//ZCfgtstqroyFutNFlhU7Xz3xcCfjxnYl9EFljsSdMpmDWKf9Z8W7VltJl+DmLhprzDC5fafcUVxTygYkaB17U+p+lM"
        "8Qul+EA=",
    ),
    "alpha": (
        "AQQIAAAAn/gAAAAAHvAA/Pz4+AAADwNgAAEAF0ABDAH//wQIAAADAJ/4AAADAAAeugJAYQABACZCAQEECAAAAwCf+AAA"
        "AwAAHsCCBBZbqSSmubAgAAADAyAAAAMAIWIAAQAHRAHBcrAiQA==",
        "AAAAKCgBrhPAO/ZueXBADUznhK31+av8dqVW5Mv7smMCFX9nhaaETyx8dko=",
    ),
}
"""Set-up and data of pictures in HEVC: GRADIENT, and transparency that ends at the lower edge."""


@dataclass(frozen=True)
class HeifItem:
    """An item of a file, with whole boxes as properties and the items that it refers to."""

    coding: bytes
    data: bytes
    properties: Sequence[bytes] = ()
    references: dict[bytes, Sequence[int]] = field(default_factory=dict)


def pack_box(kind: bytes, content: bytes, version: int | None = None) -> bytes:
    content = content if version is None else struct.pack(">I", version << 24) + content
    return struct.pack(">I", len(content) + 8) + kind + content


def pack_size(width: int, height: int) -> bytes:
    return pack_box(b"ispe", struct.pack(">II", width, height), 0)


def make_coded_item(
    name: str, *properties: bytes, size: tuple[int, int] = (SIDE_PX, SIDE_PX), **references
) -> HeifItem:
    """Return a picture of CODED as an item that states a size."""
    setup, data = map(base64.b64decode, CODED[name])
    boxes = (pack_box(b"hvcC", setup), pack_size(*size), *properties)
    return HeifItem(
        b"hvc1", data, boxes, {kind.encode(): parts for kind, parts in references.items()}
    )


def make_grid_item(columns: int, rows: int, size: tuple[int, int], tiles: Sequence[int]):
    head = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *size)
    return HeifItem(b"grid", head, (pack_size(*size),), {b"dimg": tiles})


def write_heif(*items: HeifItem, brand: bytes = b"heic", primary: int = 1) -> bytes:
    """Return a file of items, numbered from 1."""
    ftyp = pack_box(b"ftyp", brand + struct.pack(">I", 0) + b"mif1" + brand)
    size = len(_pack_meta(items, primary, [0] * len(items)))
    starts, position = [], len(ftyp) + size + 8
    for item in items:
        starts.append(position)
        position += len(item.data)
    data = pack_box(b"mdat", b"".join(item.data for item in items))
    return ftyp + _pack_meta(items, primary, starts) + data


def _pack_meta(items: Sequence[HeifItem], primary: int, starts: Sequence[int]) -> bytes:
    numbered = list(enumerate(items, 1))
    entries = b"".join(
        pack_box(b"infe", struct.pack(">HH4sB", number, 0, item.coding, 0), 2)
        for number, item in numbered
    )
    places = b"".join(
        struct.pack(">HHHII", number, 0, 1, start, len(item.data))
        for (number, item), start in zip(numbered, starts, strict=True)
    )
    boxes, assigned = b"", b""
    for number, item in numbered:
        first = sum(len(other.properties) for other in items[: number - 1]) + 1
        numbers = bytes(range(first, first + len(item.properties)))
        assigned += struct.pack(">HB", number, len(numbers)) + numbers
        boxes += b"".join(item.properties)
    references = b"".join(
        pack_box(kind, struct.pack(f">HH{len(parts)}H", number, len(parts), *parts))
        for number, item in numbered
        for kind, parts in item.references.items()
    )
    content = pack_box(b"hdlr", struct.pack(">I4s12xB", 0, b"pict", 0), 0)
    content += pack_box(b"pitm", struct.pack(">H", primary), 0)
    content += pack_box(b"iloc", struct.pack(">HH", 0x4400, len(items)) + places, 0)
    content += pack_box(b"iinf", struct.pack(">H", len(items)) + entries, 0)
    associations = pack_box(b"ipma", struct.pack(">I", len(items)) + assigned, 0)
    content += pack_box(b"iprp", pack_box(b"ipco", boxes) + associations)
    content += pack_box(b"iref", references, 0) if references else b""
    return pack_box(b"meta", content, 0)


def write_heic(name: str = "8 bits", *properties: bytes) -> bytes:
    """Return a plain HEIC file of a picture in CODED, with more properties."""
    return write_heif(make_coded_item(name, *properties))


def turn(quarters: int) -> bytes:
    """Return the property that turns a picture counter-clockwise."""
    return pack_box(b"irot", bytes([quarters]))


def make_gradient() -> Image.Image:
    return Image.fromarray(GRADIENT)
