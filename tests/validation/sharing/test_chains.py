"""A chain does to a file what its name says, and enlarges nothing but a screenshot."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from data_collection.images import decode
from data_collection.images.jpeg_quality import estimate_jpeg_quality
from toys.images import encode_image, make_image
from validation.sharing.chains import SHARING_CHAINS, SharedFile, SharingChain, share_picture

BY_NAME = {chain.name: chain for chain in SHARING_CHAINS}
STRIPPED = BY_NAME["metadata and colour profile removed"]


def share(chain: SharingChain, data: bytes) -> tuple[SharedFile, Image.Image]:
    shared = share_picture(chain, data, decode.decode_whole(data).square)
    return shared, Image.open(io.BytesIO(shared.data))


def make_photograph(width: int, height: int, **options) -> bytes:
    return encode_image(make_image(1, 200).resize((width, height)), "JPEG", quality=97, **options)


def test_every_chain_has_a_name_of_its_own_and_says_what_is_done():
    assert len(BY_NAME) == len(SHARING_CHAINS) == 8
    for chain in SHARING_CHAINS:
        for step in chain.steps:
            for number in (step.longest_side_px, step.width_px, step.quality):
                assert not number or str(number) in chain.name


@pytest.mark.parametrize(
    "name, size, format, quality",
    [
        ("longest side 1600 px, JPEG 70", (1200, 1600), "JPEG", 70),
        ("longest side 1280 px, JPEG 87", (960, 1280), "JPEG", 87),
        ("longest side 2048 px, JPEG 85", (1536, 2048), "JPEG", 85),
        ("1080 px wide, JPEG 70", (1080, 1440), "JPEG", 70),
        ("1080 px wide, WebP 80", (1080, 1440), "WEBP", None),
        ("screenshot 1080 px wide, then longest side 1600 px, JPEG 70", (1080, 1440), "JPEG", 70),
        ("longest side 1600 px, JPEG 70, then 1080 px wide, JPEG 70", (1080, 1440), "JPEG", 70),
        ("metadata and colour profile removed", (2250, 3000), "PNG", None),
    ],
)
def test_a_large_photograph_arrives_in_the_size_and_quality_of_the_name(
    name, size, format, quality
):
    shared, image = share(BY_NAME[name], make_photograph(2250, 3000))
    assert (image.size, image.format) == (size, format)
    assert quality is None or estimate_jpeg_quality(image) == quality
    assert shared.shrunk == (size != (2250, 3000)) and not shared.enlarged


@pytest.mark.parametrize("chain", SHARING_CHAINS, ids=lambda chain: chain.name)
def test_a_small_picture_is_enlarged_by_a_screenshot_alone(chain):
    shared, image = share(chain, make_photograph(300, 400))
    is_screenshot = chain.name.startswith("screenshot")
    assert image.size == ((1080, 1440) if is_screenshot else (300, 400))
    assert (shared.shrunk, shared.enlarged) == (False, is_screenshot)


@pytest.mark.parametrize("chain", SHARING_CHAINS, ids=lambda chain: chain.name)
def test_what_arrives_is_upright_and_has_no_metadata(chain):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Camera"  # a quarter turn, and who made the camera
    shared, image = share(chain, make_photograph(400, 300, exif=exif))
    assert image.height > image.width
    assert b"Camera" not in shared.data and not image.getexif() and not shared.lost_profile


def make_swapped_profile() -> bytes:
    """Return sRGB with the primaries of red and blue exchanged, so that its loss cannot be
    overlooked."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    starts = []
    for name in (b"rXYZ", b"bXYZ"):
        entry = profile.index(name, 128)
        starts.append(int.from_bytes(profile[entry + 4 : entry + 8]) + 8)
    red, blue = (bytes(profile[start : start + 12]) for start in starts)
    for start, primary in zip(starts, (blue, red), strict=True):
        profile[start : start + 12] = primary
    return bytes(profile)


def test_only_the_chain_that_removes_a_colour_profile_changes_the_colours():
    data = encode_image(
        Image.new("RGB", (64, 64), (220, 60, 40)), icc_profile=make_swapped_profile()
    )
    shown = decode.decode_whole(data).square.getpixel((0, 0))
    assert shown[2] > 150 > shown[0]  # red is blue by the profile
    stripped, image = share(STRIPPED, data)
    assert stripped.lost_profile and image.getpixel((0, 0)) == (220, 60, 40)
    kept, image = share(BY_NAME["longest side 1600 px, JPEG 70"], data)
    assert not kept.lost_profile
    assert np.abs(np.subtract(image.getpixel((0, 0)), shown)).max() < 12


def test_a_picture_without_a_profile_keeps_every_pixel_when_metadata_are_removed():
    data = make_photograph(120, 90)
    _, image = share(STRIPPED, data)
    assert image.tobytes() == decode.decode_whole(data).square.tobytes()
