"""Read metadata blocks as fields: EXIF tags, XMP properties, IPTC records, texts.

Sources: EXIF 3.0 (CIPA DC-008) and TIFF 6.0 for the tags, Adobe's XMP specification part 1 for the
packets, the IPTC Information Interchange Model 4.2 chapter 6 for the records.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element, XMLPullParser

from PIL import Image

from data_collection.metadata.metadata_blocks import (
    MAX_BLOCK_BYTES,
    MetadataBlock,
    iterate_metadata_blocks,
)

MAX_VALUES_PER_FIELD = 8
"""Limit for the values of one field: a long history names the same program a thousand times."""

CREDENTIALS_FIELD = ("file:credentials", "present")

MAX_XMP_BYTES = 250_000
"""Bytes read of an XMP packet; its history comes last and may have megabytes."""


@dataclass(frozen=True)
class MetadataFields:
    """The metadata of a file.

    Attributes:
        fields: values by block kind and name ("exif:Make", "xmp:CreatorTool", "iptc:Credit",
            "text:parameters"); untrusted text.
    """

    fields: Mapping[str, tuple[str, ...]]

    @property
    def has_credentials(self) -> bool:
        """Whether the file has content credentials."""
        return CREDENTIALS_FIELD[0] in self.fields

    def iterate_values(self, *names: str) -> Iterator[tuple[str, str]]:
        """Yield name and value of these fields, if present."""
        return ((name, value) for name in names for value in self.fields.get(name, ()))


def read_metadata_fields(data: bytes) -> MetadataFields:
    """Read all metadata of a file, damaged blocks as far as possible. Never raises."""
    fields: dict[str, list[str]] = defaultdict(list)
    for block in iterate_metadata_blocks(data):
        block_fields = BLOCK_READERS[block.kind](block)
        while (field := _read_next_field(block_fields)) is not None:
            name, value = field[0], field[1].strip("\0 \r\n\t")
            if value and value not in fields[name] and len(fields[name]) < MAX_VALUES_PER_FIELD:
                fields[name].append(value)
    return MetadataFields({name: tuple(values) for name, values in fields.items() if values})


def _read_next_field(block_fields: Iterator[tuple[str, str]]) -> tuple[str, str] | None:
    try:
        return next(block_fields, None)
    except Exception:  # Pillow and expat raise a dozen types on damaged data; earlier fields count
        return None


EXIF_TAG_NAMES = {
    0x000B: "ProcessingSoftware",
    0x010E: "ImageDescription",
    0x010F: "Make",
    0x0110: "Model",
    0x0131: "Software",
    0x013B: "Artist",
    0x9286: "UserComment",
}
EXIF_IFD = 0x8769
BLOCK_KIND_BY_TAG = {0x02BC: "xmp", 0x83BB: "iptc", 0x8649: "photoshop"}
C2PA_TAG = 0xCD41


def _read_exif(block: MetadataBlock) -> Iterator[tuple[str, str]]:
    """Yield EXIF fields; Pillow limits the size of overlapping tags."""
    exif = Image.Exif()
    exif.load(block.data)
    if C2PA_TAG in exif:
        yield CREDENTIALS_FIELD
    # some programs write UserComment beside Make, against the standard
    for tags in (exif, exif.get_ifd(EXIF_IFD)):
        for tag, name in EXIF_TAG_NAMES.items():
            if tag in tags:
                yield f"exif:{name}", _decode_tag(tags[tag])
    for tag, kind in BLOCK_KIND_BY_TAG.items():
        if isinstance(exif.get(tag), bytes):
            yield from BLOCK_READERS[kind](MetadataBlock(kind, exif[tag]))


def _decode_tag(value: object) -> str:
    if isinstance(value, str):  # Pillow reads Latin-1, as in the old standard; programs write UTF-8
        value = value.encode("latin-1", "replace")
    if not isinstance(value, bytes):
        return str(value)[:MAX_BLOCK_BYTES]
    value = value[:MAX_BLOCK_BYTES]
    if not value.startswith(b"UNICODE\0"):
        return _decode_text(value.removeprefix(b"ASCII\0\0\0"))
    # The byte order is undefined: some programs follow the file's, some are always big-endian.
    # The zero bytes of Latin letters decide.
    text = value[8:]
    return text.decode(
        "utf-16-be" if text[::2].count(0) >= text[1::2].count(0) else "utf-16-le", "replace"
    )


def _decode_text(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


RDF_NAMESPACE = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"


def _read_xmp(block: MetadataBlock) -> Iterator[tuple[str, str]]:
    """Yield XMP properties by name without namespace, because writers get namespaces wrong."""
    packet = block.data[:MAX_XMP_BYTES].strip(b"\0 \r\n\t")
    if b"<!" in packet or b"\0" in packet:
        return  # XMP is UTF-8 without declarations; entities may expand to gigabytes
    parser, open_elements = XMLPullParser(("start", "end")), []
    parser.feed(packet)
    for event, element in parser.read_events():
        if event == "start":
            open_elements.append(element)
            yield from (
                (f"xmp:{_strip_namespace(name)}", value)
                for name, value in element.attrib.items()
                if not name.startswith(RDF_NAMESPACE)
            )
        else:
            yield (
                f"xmp:{_find_property_name(open_elements)}",
                element.text or element.get(f"{RDF_NAMESPACE}resource") or "",
            )
            open_elements.pop()
            element.clear()


def _find_property_name(open_elements: list[Element]) -> str:
    """Return the property of an element: its nearest ancestor, or itself, that is not part of RDF,
    as list items are."""
    return next(
        (
            _strip_namespace(element.tag)
            for element in reversed(open_elements[-4:])
            if not element.tag.startswith(RDF_NAMESPACE)
        ),
        "",
    )


def _strip_namespace(name: str) -> str:
    return name.rpartition("}")[2]


IPTC_RECORD_NAMES = {65: "Program", 80: "By-line", 110: "Credit", 120: "Caption"}


def _read_iptc(block: MetadataBlock) -> Iterator[tuple[str, str]]:
    data, position = block.data, 0
    while data[position : position + 1] == b"\x1c" and position + 5 <= len(data):
        record, number = data[position + 1], data[position + 2]
        size = int.from_bytes(data[position + 3 : position + 5], "big")
        if record == 2 and number in IPTC_RECORD_NAMES:
            yield (
                f"iptc:{IPTC_RECORD_NAMES[number]}",
                _decode_text(data[position + 5 : position + 5 + size]),
            )
        position += 5 + size


PHOTOSHOP_IPTC_RESOURCE_ID = 0x0404


def _read_photoshop(block: MetadataBlock) -> Iterator[tuple[str, str]]:
    data, position = block.data[:MAX_BLOCK_BYTES], 0
    while data[position : position + 4] == b"8BIM" and position + 12 <= len(data):
        number = int.from_bytes(data[position + 4 : position + 6], "big")
        name_length = data[position + 6]
        start = position + 7 + name_length + (name_length + 1) % 2 + 4
        size = int.from_bytes(data[start - 4 : start], "big")
        if number == PHOTOSHOP_IPTC_RESOURCE_ID:
            yield from _read_iptc(MetadataBlock("iptc", data[start : start + size]))
        position = start + size + size % 2


BLOCK_READERS: dict[str, Callable[[MetadataBlock], Iterator[tuple[str, str]]]] = {
    "exif": _read_exif,
    "xmp": _read_xmp,
    "iptc": _read_iptc,
    "photoshop": _read_photoshop,
    "credentials": lambda block: iter([CREDENTIALS_FIELD]),
    "text": lambda block: iter(
        [(f"text:{block.keyword}", _decode_text(block.data[:MAX_BLOCK_BYTES]))]
    ),
}
