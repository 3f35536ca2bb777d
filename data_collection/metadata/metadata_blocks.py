"""Find the metadata blocks of JPEG, PNG, WEBP, TIFF, AVIF and HEIC files.

Pixels are skipped and nothing is decoded. Pillow stops at the first pixel and rejects a damaged
file entirely; this module also finds blocks before the damage and behind the pixels.

Sources: ITU-T T.81 annex B (JPEG), PNG third edition section 11.3, RFC 9649 (WEBP), TIFF 6.0; for
content credentials the C2PA specification 2.2, "Embedding manifests into various file formats";
"Raw profile type" is ImageMagick's notation in PNG.
"""

import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from data_collection.images.containers import heif_boxes
from data_collection.images.errors import UnreadableImage

MAX_FILE_PARTS = 50_000
"""Limit for segments or chunks: a PNG file of 200 MB in libpng's pieces of 8 KB has 25,000."""

MAX_BLOCKS_PER_KIND = 24
"""Limit for blocks that are read: a file must not be able to keep the reader busy."""

MAX_BLOCK_BYTES = 1_000_000
"""Size limit of one block, decompressed; a large ComfyUI workflow takes half of it."""


@dataclass(frozen=True)
class MetadataBlock:
    """A metadata block.

    Attributes:
        kind: "exif", "xmp", "iptc" (bare records), "photoshop" (resources with records in them),
            "text", or "credentials".
        data: its content; for "credentials", only the beginning.
        keyword: keyword of a "text" block, as in the file.
    """

    kind: str
    data: bytes
    keyword: str = ""


def iterate_metadata_blocks(data: bytes) -> Iterator[MetadataBlock]:
    """Yield the metadata blocks in the order of the file; none for other formats."""
    for signatures, walk in CONTAINER_WALKERS:
        if all(data.startswith(signature, at) for at, signature in signatures.items()):
            count = Counter()
            for block in walk(data):
                count[block.kind] += 1
                if count[block.kind] <= MAX_BLOCKS_PER_KIND:
                    yield block


# Marker and beginning of a JPEG segment -> kind of block that follows.
JPEG_SEGMENTS = {
    (0xE1, b"Exif\0\0"): "exif",
    (0xE1, b"http://ns.adobe.com/xap/1.0/\0"): "xmp",
    (0xED, b"Photoshop 3.0\0"): "photoshop",
    (0xEB, b"JP"): "credentials",
    (0xFE, b""): "text",
}
JPEG_MARKERS_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xDA)}
JPEG_START_OF_SCAN = 0xDA


def _iterate_jpeg_blocks(data: bytes) -> Iterator[MetadataBlock]:
    position = 2
    for _ in range(MAX_FILE_PARTS):
        if (
            data[position : position + 1] != b"\xff"
            or position + 4 > len(data)
            or data[position + 1] == JPEG_START_OF_SCAN
        ):
            return
        marker = data[position + 1]
        if marker == 0xFF or marker in JPEG_MARKERS_WITHOUT_LENGTH:
            position += 1 if marker == 0xFF else 2
            continue
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        for (segment_marker, beginning), kind in JPEG_SEGMENTS.items():
            if marker == segment_marker and data.startswith(beginning, position + 4):
                yield from _make_blocks(kind, data[position + 4 + len(beginning) : end], "Comment")
        position = max(end, position + 4)


PNG_CHUNKS = {b"eXIf": "exif", b"caBX": "credentials"}


def _iterate_png_blocks(data: bytes) -> Iterator[MetadataBlock]:
    position, text_count = 8, 0
    for _ in range(MAX_FILE_PARTS):
        size = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        if len(kind) < 4:
            return
        content = (
            data[position + 8 : position + 8 + min(size, MAX_BLOCK_BYTES)]
            if kind in PNG_CHUNKS or kind in PNG_TEXT_DECODERS
            else b""
        )
        if kind in PNG_CHUNKS:
            yield from _make_blocks(PNG_CHUNKS[kind], content)
        elif kind in PNG_TEXT_DECODERS and text_count < MAX_BLOCKS_PER_KIND:
            text_count += 1  # counted before decompression, which costs time
            keyword, _, rest = content.partition(b"\0")
            yield _make_text_block(keyword.decode("latin-1"), PNG_TEXT_DECODERS[kind](rest))
        position += 12 + size


def _decompress_text(data: bytes) -> bytes:
    """Decompress text up to the size limit: a kilobyte may expand to a megabyte, a megabyte to a
    gigabyte."""
    try:
        return zlib.decompressobj().decompress(data, MAX_BLOCK_BYTES)
    except zlib.error:
        return b""


def _decode_itxt_chunk(rest: bytes) -> bytes:
    is_compressed, text = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
    return _decompress_text(text) if is_compressed else text


PNG_TEXT_DECODERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"tEXt": lambda rest: rest,
    b"zTXt": lambda rest: _decompress_text(rest[1:]),
    b"iTXt": _decode_itxt_chunk,
}


def _make_text_block(keyword: str, content: bytes) -> MetadataBlock:
    """Return a text block, or what is stored as text: XMP under its own keyword, EXIF and IPTC in
    hexadecimal."""
    if keyword == "XML:com.adobe.xmp":
        return MetadataBlock("xmp", content)
    if not keyword.startswith("Raw profile type"):
        return MetadataBlock("text", content, keyword)
    try:
        _, _, hexadecimal = content.strip(b"\n").split(b"\n", 2)  # preceded by name and length
        raw = bytes.fromhex(hexadecimal.decode("ascii"))
    except ValueError:
        raw = b""
    kind = next(
        (kind for beginning, kind in RAW_PROFILE_KINDS.items() if raw.startswith(beginning)), "iptc"
    )
    return MetadataBlock(kind, raw.removeprefix(b"http://ns.adobe.com/xap/1.0/\0"))


RAW_PROFILE_KINDS = {
    **dict.fromkeys((b"Exif\0\0", b"II*\0", b"MM\0*"), "exif"),
    **dict.fromkeys((b"http://ns.adobe.com/xap/1.0/\0", b"<?xpacket"), "xmp"),
    b"8BIM": "photoshop",
}

C2PA_BOX_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")

WEBP_CHUNKS = {b"EXIF": "exif", b"XMP ": "xmp", b"C2PA": "credentials"}


def _iterate_webp_blocks(data: bytes) -> Iterator[MetadataBlock]:
    position = 12
    for _ in range(MAX_FILE_PARTS):
        kind = data[position : position + 4]
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        if len(kind) < 4:
            return
        if kind in WEBP_CHUNKS:
            yield from _make_blocks(
                WEBP_CHUNKS[kind], data[position + 8 : position + 8 + min(size, MAX_BLOCK_BYTES)]
            )
        position += 8 + size + size % 2


def _make_blocks(kind: str, content: bytes, keyword: str = "") -> Iterator[MetadataBlock]:
    """Yield a block; skip JUMBF boxes without content credentials, such as parts of panoramas."""
    if kind != "credentials":
        yield MetadataBlock(kind, content, keyword if kind == "text" else "")
    elif b"c2pa" in content[:4096]:
        yield MetadataBlock(kind, content[:4096])


def _iterate_tiff_blocks(data: bytes) -> Iterator[MetadataBlock]:
    """Yield the file itself: EXIF is TIFF."""
    yield MetadataBlock("exif", data)


def _iterate_heif_blocks(data: bytes) -> Iterator[MetadataBlock]:
    """Yield EXIF and XMP, which are items, and credentials, in a box of their own; nothing of a
    file whose boxes are damaged."""
    try:
        _, items = heif_boxes.read_items(data)
        boxes = list(heif_boxes.iterate_file_boxes(data))
    except (IndexError, UnreadableImage):
        return
    metadata = [item for item in items.values() if item.coding in (b"Exif", b"mime")]
    for item in metadata[: 2 * MAX_BLOCKS_PER_KIND]:
        content = item.read(data, MAX_BLOCK_BYTES)
        if item.coding == b"Exif":
            yield MetadataBlock("exif", content[4 + int.from_bytes(content[:4]) :])
        elif b"<x:xmpmeta" in content or b"<?xpacket" in content:
            yield MetadataBlock("xmp", content)
    for kind, box in boxes:
        if kind == b"uuid" and data.startswith(C2PA_BOX_UUID, box.position):
            yield from _make_blocks("credentials", data[box.position : box.position + 4096])


CONTAINER_WALKERS: tuple[
    tuple[dict[int, bytes], Callable[[bytes], Iterator[MetadataBlock]]], ...
] = (
    ({0: b"\xff\xd8\xff"}, _iterate_jpeg_blocks),
    ({0: b"\x89PNG\r\n\x1a\n"}, _iterate_png_blocks),
    ({0: b"RIFF", 8: b"WEBP"}, _iterate_webp_blocks),
    ({0: b"II*\0"}, _iterate_tiff_blocks),
    ({0: b"MM\0*"}, _iterate_tiff_blocks),
    ({4: b"ftyp"}, _iterate_heif_blocks),
)
"""Signatures of a format, by their place in the file, and the function that walks through it."""
