"""What the blocks of a picture file say, as plain fields: EXIF tags, XMP properties, IPTC records, texts.

Sources: EXIF 3.0 (CIPA DC-008) and TIFF 6.0 for the tags, Adobe's XMP specification part 1 for the packets, the IPTC
Information Interchange Model 4.2 chapter 6 for the records.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element, XMLPullParser

from PIL import Image

from detection.file_blocks import MOST_BYTES, Block, blocks

MOST_VALUES = 8
"""Of one field: a long history names the same program a thousand times."""

CREDENTIALS = ("file:credentials", "there")

MOST_XML = 250_000
"""Bytes of an XMP packet that are read; its history comes last and may be megabytes."""


@dataclass(frozen=True)
class Facts:
    """What a file says.

    Attributes:
        fields: values by place and name ("exif:Make", "xmp:CreatorTool", "iptc:Credit", "text:parameters"); strangers' words.
    """

    fields: Mapping[str, tuple[str, ...]]

    @property
    def credentials(self) -> bool:
        """Whether it carries content credentials."""
        return CREDENTIALS[0] in self.fields

    def each(self, *names: str) -> Iterator[tuple[str, str]]:
        """Name and value of these fields, as far as they are there."""
        return ((name, value) for name in names for value in self.fields.get(name, ()))


def gather(data: bytes) -> Facts:
    """Everything the file says; of damaged blocks what could be read. Never raises."""
    fields: dict[str, list[str]] = defaultdict(list)
    for block in blocks(data):
        found = READERS[block.kind](block)
        while (field := _next(found)) is not None:
            name, value = field[0], field[1].strip("\0 \r\n\t")
            if value and value not in fields[name] and len(fields[name]) < MOST_VALUES:
                fields[name].append(value)
    return Facts({name: tuple(values) for name, values in fields.items() if values})


def _next(found: Iterator[tuple[str, str]]) -> tuple[str, str] | None:
    try:
        return next(found, None)
    except Exception:  # Pillow and expat raise a dozen types on damaged data; what came before it counts.
        return None


TAGS = {
    0x000B: "ProcessingSoftware",
    0x010E: "ImageDescription",
    0x010F: "Make",
    0x0110: "Model",
    0x0131: "Software",
    0x013B: "Artist",
    0x9286: "UserComment",
}
EXIF_IFD = 0x8769
BLOCKS_IN_TAGS = {0x02BC: "xmp", 0x83BB: "iptc", 0x8649: "photoshop"}
C2PA_TAG = 0xCD41


def _exif(block: Block) -> Iterator[tuple[str, str]]:
    """Pillow bounds what overlapping tags may take; a TIFF file is its own block."""
    exif = Image.Exif()
    exif.load(block.data)
    if C2PA_TAG in exif:
        yield CREDENTIALS
    for tags in (exif, exif.get_ifd(EXIF_IFD)):  # some programs write UserComment beside Make, where it does not belong
        for tag, name in TAGS.items():
            if tag in tags:
                yield f"exif:{name}", _tag_text(tags[tag])
    for tag, kind in BLOCKS_IN_TAGS.items():
        if isinstance(exif.get(tag), bytes):
            yield from READERS[kind](Block(kind, exif[tag]))


def _tag_text(value: object) -> str:
    if isinstance(value, str):  # Pillow reads Latin-1, as the standard was; programs write UTF-8
        value = value.encode("latin-1", "replace")
    if not isinstance(value, bytes):
        return str(value)[:MOST_BYTES]
    value = value[:MOST_BYTES]
    if not value.startswith(b"UNICODE\0"):
        return _decoded(value.removeprefix(b"ASCII\0\0\0"))
    # The byte order is nobody's: some follow the file's, some are always big-endian. Latin letters tell.
    text = value[8:]
    return text.decode("utf-16-be" if text[::2].count(0) >= text[1::2].count(0) else "utf-16-le", "replace")


def _decoded(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"


def _xmp(block: Block) -> Iterator[tuple[str, str]]:
    """Properties by their names without namespaces: writers get these wrong."""
    packet = block.data[:MOST_XML].strip(b"\0 \r\n\t")
    if b"<!" in packet or b"\0" in packet:
        return  # XMP is UTF-8 and declares nothing; entities may unfold to gigabytes
    parser, within = XMLPullParser(("start", "end")), []
    parser.feed(packet)
    for event, element in parser.read_events():
        if event == "start":
            within.append(element)
            yield from ((f"xmp:{_local(name)}", value) for name, value in element.attrib.items() if not name.startswith(RDF))
        else:
            yield f"xmp:{_property(within)}", element.text or element.get(f"{RDF}resource") or ""
            within.pop()
            element.clear()


def _property(within: list[Element]) -> str:
    """The property that an element is the value of: the nearest that is not RDF's own, as an item of a list is."""
    return next((_local(element.tag) for element in reversed(within[-4:]) if not element.tag.startswith(RDF)), "")


def _local(name: str) -> str:
    return name.rpartition("}")[2]


RECORDS = {65: "Program", 80: "By-line", 110: "Credit", 120: "Caption"}


def _iptc(block: Block) -> Iterator[tuple[str, str]]:
    data, place = block.data, 0
    while data[place : place + 1] == b"\x1c" and place + 5 <= len(data):
        record, number, size = data[place + 1], data[place + 2], int.from_bytes(data[place + 3 : place + 5], "big")
        if record == 2 and number in RECORDS:
            yield f"iptc:{RECORDS[number]}", _decoded(data[place + 5 : place + 5 + size])
        place += 5 + size


IPTC_RESOURCE = 0x0404


def _photoshop(block: Block) -> Iterator[tuple[str, str]]:
    data, place = block.data[:MOST_BYTES], 0
    while data[place : place + 4] == b"8BIM" and place + 12 <= len(data):
        number, name = int.from_bytes(data[place + 4 : place + 6], "big"), data[place + 6]
        start = place + 7 + name + (name + 1) % 2 + 4
        size = int.from_bytes(data[start - 4 : start], "big")
        if number == IPTC_RESOURCE:
            yield from _iptc(Block("iptc", data[start : start + size]))
        place = start + size + size % 2


READERS: dict[str, Callable[[Block], Iterator[tuple[str, str]]]] = {
    "exif": _exif,
    "xmp": _xmp,
    "iptc": _iptc,
    "photoshop": _photoshop,
    "credentials": lambda block: iter([CREDENTIALS]),
    "text": lambda block: iter([(f"text:{block.keyword}", _decoded(block.data[:MOST_BYTES]))]),
}
