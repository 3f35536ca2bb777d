"""Where a picture file keeps words about itself: the blocks of JPEG, PNG, WEBP and TIFF that hold
no pixels.

Pixels are jumped over and no decoder is opened. Pillow stops at the first pixel and refuses a
damaged file as a whole; here what stands before the damage is found, and what stands behind the
pixels, too.

Sources: ITU-T T.81 annex B (JPEG), PNG third edition section 11.3, RFC 9649 (WEBP), TIFF 6.0; for
content credentials the C2PA specification 2.2, "Embedding manifests into various file formats";
"Raw profile type" is ImageMagick's way with PNG.
"""

import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

MAX_FILE_PARTS = 50_000
"""Segments or chunks that are looked at: a PNG file of 200 MB in libpng's pieces of 8 KB has
25,000."""

MAX_BLOCKS_PER_KIND = 24
"""Blocks that are read; more would be a way to keep a reader busy."""

MAX_BLOCK_BYTES = 1_000_000
"""Of one block, unpacked; a large ComfyUI workflow takes half of it."""


@dataclass(frozen=True)
class MetadataBlock:
    """One block.

    Attributes:
        kind: "exif", "xmp", "iptc" (bare records), "photoshop" (resources with records in them),
            "text", or "credentials".
        data: its content; of "credentials" only the beginning.
        keyword: of "text", as the file gives it.
    """

    kind: str
    data: bytes
    keyword: str = ""


def iterate_metadata_blocks(data: bytes) -> Iterator[MetadataBlock]:
    """Every block about the making of a picture, in the file's order; none for other formats."""
    for magic, start, walk in CONTAINER_WALKERS:
        if data.startswith(magic) and data[8:12] == (start or data[8:12]):
            count = Counter()
            for block in walk(data):
                count[block.kind] += 1
                if count[block.kind] <= MAX_BLOCKS_PER_KIND:
                    yield block


# Marker and beginning of a JPEG segment -> what the rest of it is.
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
    place = 2
    for _ in range(MAX_FILE_PARTS):
        if (
            data[place : place + 1] != b"\xff"
            or place + 4 > len(data)
            or data[place + 1] == JPEG_START_OF_SCAN
        ):
            return
        marker = data[place + 1]
        if marker == 0xFF or marker in JPEG_MARKERS_WITHOUT_LENGTH:
            place += 1 if marker == 0xFF else 2
            continue
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        for (wanted, beginning), kind in JPEG_SEGMENTS.items():
            if marker == wanted and data.startswith(beginning, place + 4):
                yield from _make_blocks(kind, data[place + 4 + len(beginning) : end], "Comment")
        place = max(end, place + 4)


PNG_CHUNKS = {b"eXIf": "exif", b"caBX": "credentials"}


def _iterate_png_blocks(data: bytes) -> Iterator[MetadataBlock]:
    place, texts = 8, 0
    for _ in range(MAX_FILE_PARTS):
        size, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        if len(kind) < 4:
            return
        content = (
            data[place + 8 : place + 8 + min(size, MAX_BLOCK_BYTES)]
            if kind in PNG_CHUNKS or kind in PNG_TEXT_DECODERS
            else b""
        )
        if kind in PNG_CHUNKS:
            yield from _make_blocks(PNG_CHUNKS[kind], content)
        elif (
            kind in PNG_TEXT_DECODERS and (texts := texts + 1) <= MAX_BLOCKS_PER_KIND
        ):  # before they are unpacked
            keyword, _, rest = content.partition(b"\0")
            yield _make_text_block(keyword.decode("latin-1"), PNG_TEXT_DECODERS[kind](rest))
        place += 12 + size


def _decompress_text(data: bytes) -> bytes:
    """What of compressed text is sound, up to the cap: a kilobyte may hold a megabyte, a megabyte a
    gigabyte."""
    try:
        return zlib.decompressobj().decompress(data, MAX_BLOCK_BYTES)
    except zlib.error:
        return b""


def _decode_itxt_chunk(rest: bytes) -> bytes:
    packed, text = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
    return _decompress_text(text) if packed else text


PNG_TEXT_DECODERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"tEXt": lambda rest: rest,
    b"zTXt": lambda rest: _decompress_text(rest[1:]),
    b"iTXt": _decode_itxt_chunk,
}


def _make_text_block(keyword: str, content: bytes) -> MetadataBlock:
    """A text, or what else is kept as one: XMP under its own keyword, EXIF and IPTC in
    hexadecimal."""
    if keyword == "XML:com.adobe.xmp":
        return MetadataBlock("xmp", content)
    if not keyword.startswith("Raw profile type"):
        return MetadataBlock("text", content, keyword)
    try:
        _, _, hexadecimal = content.strip(b"\n").split(
            b"\n", 2
        )  # its name and its length stand before it
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

WEBP_CHUNKS = {b"EXIF": "exif", b"XMP ": "xmp", b"C2PA": "credentials"}


def _iterate_webp_blocks(data: bytes) -> Iterator[MetadataBlock]:
    place = 12
    for _ in range(MAX_FILE_PARTS):
        kind, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        if len(kind) < 4:
            return
        if kind in WEBP_CHUNKS:
            yield from _make_blocks(
                WEBP_CHUNKS[kind], data[place + 8 : place + 8 + min(size, MAX_BLOCK_BYTES)]
            )
        place += 8 + size + size % 2


def _make_blocks(kind: str, content: bytes, keyword: str = "") -> Iterator[MetadataBlock]:
    """JUMBF boxes carry other things than content credentials, too, such as the parts of
    panoramas."""
    if kind != "credentials":
        yield MetadataBlock(kind, content, keyword if kind == "text" else "")
    elif b"c2pa" in content[:4096]:
        yield MetadataBlock(kind, content[:4096])


def _iterate_tiff_blocks(data: bytes) -> Iterator[MetadataBlock]:
    """EXIF is TIFF, so the file is its own block."""
    yield MetadataBlock("exif", data)


CONTAINER_WALKERS: tuple[tuple[bytes, bytes, Callable[[bytes], Iterator[MetadataBlock]]], ...] = (
    (b"\xff\xd8\xff", b"", _iterate_jpeg_blocks),
    (b"\x89PNG\r\n\x1a\n", b"", _iterate_png_blocks),
    (b"RIFF", b"WEBP", _iterate_webp_blocks),
    (b"II*\0", b"", _iterate_tiff_blocks),
    (b"MM\0*", b"", _iterate_tiff_blocks),
)
