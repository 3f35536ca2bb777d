"""Metadata is read from files of every format, behind the pixels too, and quickly from hostile
ones."""

import random
import struct
import time
import zlib

import pytest

from data_collection.metadata import metadata_blocks
from data_collection.metadata.metadata_fields import read_metadata_fields
from data_collection.metadata.named_generator import find_named_generator
from toys.heif_files import HeifItem, make_coded_item, pack_box, write_heif
from toys.images import encode_image
from toys.metadata_files import (
    TOY,
    WEBUI,
    chunk,
    declared,
    exif,
    png,
    with_chunk,
    xmp,
)


def test_a_heic_and_an_avif_tell_what_a_jpeg_does():
    tags, packet = exif(Make="Apple", Model="iPhone 15"), declared("trainedAlgorithmicMedia")
    expected = read_metadata_fields(encode_image(TOY, "JPEG", exif=tags, xmp=packet))
    assert expected.fields["exif:Model"] == ("iPhone 15",)
    assert "xmp:DigitalSourceType" in expected.fields
    assert read_metadata_fields(encode_image(TOY, "AVIF", exif=tags, xmp=packet)) == expected
    head = b"Exif\0\0"
    block = struct.pack(">I", len(head)) + head + tags.tobytes()[len(head) :]
    items = HeifItem(b"Exif", block), HeifItem(b"mime", packet)
    assert read_metadata_fields(write_heif(make_coded_item("8 bits"), *items)) == expected


def test_texts_behind_the_pixels_and_imagemagicks_profiles_are_read():
    data = with_chunk(b"tEXt", b"parameters\0" + WEBUI.encode(), at_end=True)
    assert read_metadata_fields(data).fields == {"text:parameters": (WEBUI,)}
    tags = exif(Software="Google").tobytes()
    profile = f"\ngeneric profile\n{len(tags):8}\n{tags.hex()}\n".encode()
    data = with_chunk(b"zTXt", b"Raw profile type APP1\0\0" + zlib.compress(profile))
    assert read_metadata_fields(data).fields == {"exif:Software": ("Google",)}


def test_plain_pictures_and_other_bytes_have_no_fields():
    for format in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "AVIF"):
        assert read_metadata_fields(encode_image(TOY, format)).fields == {}
    for data in (b"", b"\xff\xd8\xff", b"RIFF", b"II*\0", b"no picture", b"\0\0\0\x10ftyp"):
        assert read_metadata_fields(data).fields == {}


BOMBS = {
    "a text of 200 MB": with_chunk(
        b"zTXt", b"parameters\0\0" + zlib.compress(b"Steps: 1, Seed: 1 " * 11_000_000, 1)
    ),
    "many texts": encode_image(TOY)[:33]
    + chunk(b"zTXt", b"parameters\0\0" + zlib.compress(bytes(metadata_blocks.MAX_BLOCK_BYTES)))
    * 2000
    + encode_image(TOY)[33:],
    "unfolding entities": encode_image(
        TOY,
        "JPEG",
        xmp=b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
        + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
        + b']><x xmp="&j;"/>',
    ),
    "JSON in JSON": png(parameters="[" * 500_000, prompt='{"a":' * 100_000),
    "elements in elements": encode_image(
        TOY, "TIFF", tiffinfo={700: xmp("", "<rdf:li>" * 15_000 + "</rdf:li>" * 15_000)}
    ),
    "empty segments": b"\xff\xd8" + b"\xff\xfe\0\2" * 1_000_000,
    "boxes and boxes": encode_image(TOY, "AVIF") + pack_box(b"uuid", b"") * 2_000_000,
    "no chunks": b"\x89PNG\r\n\x1a\n" + bytes(20_000_000),
    "a number without end": png(parameters='{"sui_image_params": {"seed": ' + "9" * 200_000 + "}}"),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", BOMBS)
def test_what_would_take_for_ever_takes_a_moment(name):
    start = time.process_time()
    find_named_generator(BOMBS[name])
    assert time.process_time() - start < 2


def test_a_large_photograph_takes_milliseconds_because_its_pixels_are_passed_over():
    small = encode_image(TOY, "JPEG", exif=exif(Make="Canon", Model="Canon EOS 5D"))
    data = small[:-2] + random.Random(0).randbytes(15_000_000) + small[-2:]
    durations = []
    for _ in range(5):
        start = time.process_time()
        assert "exif:Model" in read_metadata_fields(data).fields
        durations.append(time.process_time() - start)
    assert min(durations) < 0.05
