"""A colour profile is applied to the colours, whatever else a picture holds."""

import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from data_collection.images import decode
from toys.images import encode_image, make_image


def make_profile() -> bytes:
    """Return sRGB's profile with red and green exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(profile[128:132])
    tags = {bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * count, 12)}
    red, green = (slice(tags[tag] + 4, tags[tag] + 12) for tag in (b"rXYZ", b"gXYZ"))
    profile[red], profile[green] = profile[green], profile[red]
    return bytes(profile)


def make_grey_profile(gamma: float) -> bytes:
    """Return a grey profile of version 2 with one power law."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    curve = b"curv\0\0\0\0" + struct.pack(">IH2x", 1, round(256 * gamma))
    text = b"desc\0\0\0\0" + struct.pack(">I", 2) + b"g\0" + bytes(78)
    tags = {b"wtpt": white, b"kTRC": curve, b"desc": text}
    offset, table, body = 132 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        table += name + struct.pack(">II", offset + len(body), len(content))
        body += content
    header = struct.pack(
        ">I4xI4s4s4s12x4s28x", offset + len(body), 0x02400000, b"mntr", b"GRAY", b"XYZ ", b"acsp"
    )
    header += struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(decode.decode_face(data).square).astype(int)


@pytest.mark.parametrize(
    ("mode", "container"), [("RGBA", "PNG"), ("RGBA", "TIFF"), ("P", "PNG"), ("P", "TIFF")]
)
def test_alpha_and_palettes_get_the_colours_of_the_rgb_picture(mode, container):
    image, profile = make_image(1).convert(mode), make_profile()
    expected = pixels(encode_image(image.convert("RGB"), icc_profile=profile))
    assert np.abs(expected - np.asarray(image.convert("RGB")).astype(int)).mean() > 5
    found = pixels(encode_image(image, container, icc_profile=profile))
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_grey_has_the_gamma_of_its_profile(mode):
    grey = Image.new("L", (64, 64), 128)
    data = encode_image(grey.convert(mode), icc_profile=make_grey_profile(1.0))
    assert abs(pixels(data).mean() - 188) <= 2  # half of the light


def test_twelve_bits_of_a_tiff_are_scaled_by_its_tag():
    entries = [(256, 64), (257, 64), (258, 12), (259, 1), (262, 1), (273, 200), (277, 1), (278, 64)]
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    head = struct.pack("<4sIH", b"II*\0", 8, len(entries)) + body
    data = head.ljust(200, b"\0") + b"\x80\x08\x00" * (64 * 32)
    assert pixels(data)[0, 0, 0] == 128
