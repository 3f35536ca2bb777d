"""Every way of storing an image gives the same upright RGB square, and damage gives one reason."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.Image import Resampling

from data_collection.images import canonical, decode, errors
from data_collection.images import quality as image_quality
from toys.images import encode_image, make_image

ARROW = Image.fromarray(np.repeat(np.arange(96, dtype=np.uint8)[:, None] * 2, 64, axis=1)).convert(
    "RGB"
)


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(decode.decode_face(data).square).astype(int)


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_lossless_containers_give_the_pixels_that_went_in(format):
    image = make_image(1)
    options = {"lossless": True} if format == "WEBP" else {}
    assert np.array_equal(pixels(encode_image(image, format, **options)), np.asarray(image))


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_orientation_tag_is_applied_once(orientation, format):
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # Transpose operations that undo each tag
    stored = (
        make_image(2) if orientation == 1 else make_image(2).transpose(_inverse(turn[orientation]))
    )
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(
        pixels(encode_image(stored, format, exif=exif)), np.asarray(make_image(2))
    )


def _inverse(operation: int) -> int:
    return {2: 4, 4: 2}.get(operation, operation)


def test_sixteen_bit_grey_is_scaled_not_clipped():
    ramp = np.tile(np.linspace(0, 65535, 96).astype(np.uint16), (96, 1))
    for format in ("PNG", "TIFF"):
        assert abs(pixels(encode_image(Image.fromarray(ramp), format)).mean() - 127) < 1.5


def test_cmyk_keeps_its_colours():
    red = Image.new("RGB", (64, 64), (200, 40, 30))
    centre = pixels(encode_image(red.convert("CMYK"), "JPEG", quality=95))[32, 32]
    assert np.abs(centre - [200, 40, 30]).max() <= 3


def test_transparency_lies_on_mid_grey_in_every_mode():
    clear = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    palette = clear.quantize(8)
    for image in (clear, clear.convert("LA"), palette):
        assert np.abs(pixels(encode_image(image)) - 128).max() <= 1


def test_palette_grey_and_single_bit_become_rgb():
    for mode in ("P", "L", "1"):
        assert pixels(encode_image(make_image(3).convert(mode))).shape == (96, 96, 3)


def test_only_the_first_frame_of_an_animation_is_used():
    frames = [make_image(4), make_image(5)]
    for format in ("PNG", "WEBP"):
        options = {"lossless": True} if format == "WEBP" else {}
        data = encode_image(frames[0], format, save_all=True, append_images=frames[1:], **options)
        assert decode.decode_face(data).frames == 2
        assert np.array_equal(pixels(data), np.asarray(frames[0]))


def test_a_colour_profile_is_honoured():
    swapped = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert pixels(encode_image(make_image(6), "PNG", icc_profile=swapped)).shape == (96, 96, 3)
    assert np.array_equal(
        pixels(encode_image(make_image(6), "PNG", icc_profile=b"broken")), np.asarray(make_image(6))
    )


def test_the_centre_square_is_cut_out():
    wide = Image.new("RGB", (300, 100), "red")
    wide.paste(Image.new("RGB", (100, 100), "blue"), (100, 0))
    assert np.array_equal(pixels(encode_image(wide))[0, [0, -1]], [[0, 0, 255], [0, 0, 255]])


def huge_png(width: int, height: int) -> bytes:
    """Return a valid header that claims any size, with almost no data behind it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    body = [
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file; get another copy"),
        (b"hello", "not an image"),
        (b"<html>no picture</html>", "not an image"),
        (b"\0\0\0\x20ftypheic" + b"\0" * 40, "videos, and sequences"),
        (b"\0\0\0\x1cftypavif" + b"\0" * 40, "videos, and sequences"),
        (b"\xff\x0a" + b"\0" * 60, "JPEG XL is not opened"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0" * 60, "JPEG XL is not opened"),
        (b"GIF89a" + b"\0" * 40, "GIF"),
        (huge_png(20_000, 20_000), "larger than 25 megapixels"),
        (huge_png(6_000, 6_000), "larger than 25 megapixels"),
        (huge_png(9_000, 20), "strip"),
        (huge_png(64, 64), "damaged"),
        (encode_image(Image.new("F", (64, 64)), "TIFF"), "floating-point"),
    ],
)
def test_what_is_no_picture_is_refused_with_a_reason(data, reason):
    with pytest.raises(errors.UnreadableImage, match=reason):
        decode.decode_face(data)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_truncated_file_is_refused(format):
    data = encode_image(make_image(7), format)
    for percent in range(1, 100):
        with pytest.raises(errors.UnreadableImage):
            decode.decode_face(data[: percent * len(data) // 100])


def test_flipped_bits_never_escape_as_another_error():
    generator = np.random.default_rng(0)
    for format in ("JPEG", "PNG", "WEBP", "TIFF"):
        whole = encode_image(make_image(8, 48), format)
        for _ in range(150):
            data = bytearray(whole)
            data[generator.integers(len(data))] ^= 1 << generator.integers(8)
            try:
                assert decode.decode_face(bytes(data)).square.mode == "RGB"
            except errors.UnreadableImage as error:
                assert str(error)


@pytest.mark.parametrize("quality", [30, 60, 75, 90, 98])
def test_jpeg_quality_is_read_from_the_tables(quality):
    face = decode.decode_face(encode_image(make_image(9), "JPEG", quality=quality))
    assert abs(face.quality - quality) <= 1
    assert decode.decode_face(encode_image(make_image(9))).quality is None


def test_a_view_is_one_deterministic_draw():
    face = decode.decode_face(encode_image(make_image(10)))
    views = [canonical.encode_canonical_jpeg(face, "some id", 64, view) for view in range(6)]
    assert views == [
        canonical.encode_canonical_jpeg(face, "some id", 64, view) for view in range(6)
    ]
    assert len(set(views)) == 6
    assert views[0] != canonical.encode_canonical_jpeg(face, "another id", 64)


def test_canonical_pictures_carry_no_metadata_and_one_law_of_quality():
    exif = Image.Exif()
    exif[0x010F] = "camera"
    face = decode.decode_face(encode_image(make_image(11), "JPEG", exif=exif))
    images = [
        Image.open(io.BytesIO(canonical.encode_canonical_jpeg(face, str(n), 64))) for n in range(60)
    ]
    qualities = [
        decode.decode_face(canonical.encode_canonical_jpeg(face, str(n), 64)).quality
        for n in range(60)
    ]
    assert all(
        image.size == (64, 64) and not image.getexif() and "icc_profile" not in image.info
        for image in images
    )
    assert 60 <= min(qualities) < 66 and 89 < max(qualities) <= 95


def test_the_container_leaves_no_trace_in_the_canonical_pixels():
    """The same pixels, however stored, give the same canonical picture."""
    image = make_image(12)
    exif = Image.Exif()
    exif[0x010F] = "camera"
    stored = [
        encode_image(image),
        encode_image(image, "BMP"),
        encode_image(image, "TIFF"),
        encode_image(image, "PNG", exif=exif),
    ]
    faces = [
        canonical.compute_canonical_pixels(decode.decode_face(data), "id", 64) for data in stored
    ]
    assert all(np.array_equal(faces[0], face) for face in faces)


def test_an_enlarged_picture_is_found_out():
    sharp = make_image(13, 300)
    small = sharp.resize((100, 100), Resampling.LANCZOS)
    enlarged = small.resize((300, 300), Resampling.BICUBIC)
    assert not image_quality.is_upscaled(decode.decode_face(encode_image(sharp)))
    assert image_quality.is_upscaled(decode.decode_face(encode_image(enlarged)))


def test_white_noise_has_its_variance_as_detail_power():
    noise = (
        np.random.default_rng(0).normal(128, 10, (256, 256)).round().clip(0, 255).astype(np.uint8)
    )
    assert abs(image_quality.measure_detail_power(Image.fromarray(noise).convert("RGB")) - 100) < 10


def test_single_colours_are_found_out():
    for colour in ("black", "white", "red"):
        assert image_quality.is_single_colour(
            decode.decode_face(encode_image(Image.new("RGB", (64, 64), colour)))
        )
    assert not image_quality.is_single_colour(decode.decode_face(encode_image(make_image(14))))


def test_a_tiff_of_very_many_frames_is_opened_at_once():
    frames = [Image.new("L", (64, 64), shade) for shade in range(3)]
    data = encode_image(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    assert decode.decode_face(data).frames == 2  # more are not counted: that takes quadratic time


def test_a_jpeg_of_very_many_scans_is_refused_before_it_is_decoded():
    data = encode_image(make_image(1), "JPEG", progressive=True)
    assert decode.decode_face(data)
    start = data.rindex(b"\xff\xda")
    with pytest.raises(errors.UnreadableImage, match="more than 100 scans"):
        decode.decode_face(data[:start] + data[start:-2] * 200 + data[-2:])
