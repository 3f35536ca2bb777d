"""Decode image files into upright RGB squares.

`decode_face` and `canonical.compute_canonical_pixels` are the only path by which pixels reach a
network. Collection, training, validation and detection share it, so no class or room can be
recognised by how its images were handled."""

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageOps, JpegImagePlugin

from data_collection.images import face_detector
from data_collection.images.colour import convert_to_srgb
from data_collection.images.errors import UnknownImageFormat, UnreadableImage

# Pillow opens no other decoder: those of PSD, FITS, PDF, EPS and JPEG 2000 had most of its CVEs.
IMAGE_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM")

MAX_IMAGE_PIXELS = 25_000_000

# Pillow warns at this size and decodes all the same; here the warning is an error.
Image.MAX_IMAGE_PIXELS = MAX_IMAGE_PIXELS
# One image of a stranger can give thousands of warnings about its metadata.
warnings.filterwarnings("ignore", module=r"PIL\.")
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)

MAX_IMAGE_BYTES = 200_000_000

MAX_JPEG_SCANS = 100
"""Limit for progressive JPEGs; encoders write about ten, and each scan covers all pixels."""

MAX_EXIF_PARTS = 100
"""A part holds 64 kB at most; Pillow joins them in quadratic time, a minute for a crafted JPEG of
100 MB."""


# The luminance table of the JPEG standard (annex K) at quality 50, as libjpeg writes it.
_LUMA_TABLE_AT_QUALITY_50 = np.array(
    # fmt: off
    [
        16,
        11,
        10,
        16,
        24,
        40,
        51,
        61,
        12,
        12,
        14,
        19,
        26,
        58,
        60,
        55,
        14,
        13,
        16,
        24,
        40,
        57,
        69,
        56,
        14,
        17,
        22,
        29,
        51,
        87,
        80,
        62,
        18,
        22,
        37,
        56,
        68,
        109,
        103,
        77,
        24,
        35,
        55,
        64,
        81,
        104,
        113,
        92,
        49,
        64,
        78,
        87,
        103,
        121,
        120,
        101,
        72,
        92,
        95,
        98,
        112,
        100,
        103,
        99,
    ],
    # fmt: on
    dtype=np.float64,
)


@dataclass(frozen=True, kw_only=True)
class DecodedFace:
    """A decoded original.

    Attributes:
        square: RGB picture at native resolution, upright: the centre square, or the square around
            the face.
        format: container as Pillow names it ("JPEG", "PNG", ...).
        mode: pixel mode before conversion ("RGB", "L", "CMYK", "I;16", ...).
        width, height: as stored, in pixels, before the orientation tag is applied.
        quality: JPEG quality estimated from the luminance table on libjpeg's scale of 1 to 100;
            None if not a JPEG.
        frames: number of frames, 2 for a TIFF with more; only the first is used.
    """

    square: Image.Image
    format: str
    mode: str
    width: int
    height: int
    quality: int | None
    frames: int


def decode_face(data: bytes, crop: str = "centre") -> DecodedFace:
    """Decode bytes into an upright RGB square.

    Args:
        crop: a name in CROPS.

    Raises:
        UnreadableImage: the bytes are not an image, damaged, of an unsupported format, or larger
            than 25 megapixels (read from the header, before any pixel is decoded).
        NoSingleFace: `crop` is "face", and the image does not show exactly one.
    """
    whole = decode_whole(data)
    return replace(whole, square=CROPS[crop](whole.square))


def decode_whole(data: bytes) -> DecodedFace:
    """Decode bytes into an upright RGB picture of any shape, in the place of the square.

    Raises:
        UnreadableImage: as `decode_face` raises it.
    """
    try:
        return _decode_upright(data)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise UnreadableImage(f"larger than {MAX_IMAGE_PIXELS // 1_000_000} megapixels") from None
    except UnreadableImage:
        raise
    # Pillow's decoders raise a dozen types on damaged data; each means the same here.
    except Exception as error:
        is_unknown = isinstance(error, Image.UnidentifiedImageError)
        error_class = UnknownImageFormat if is_unknown else UnreadableImage
        raise error_class(_explain_unreadable(data, error)) from None


def _decode_upright(data: bytes) -> DecodedFace:
    if data.count(b"Exif\0\0") > MAX_EXIF_PARTS:
        raise UnreadableImage(
            f"EXIF in more than {MAX_EXIF_PARTS} parts, which only serves to waste time"
        )
    with Image.open(io.BytesIO(data), formats=IMAGE_FORMATS) as image:
        if image.width * image.height > MAX_IMAGE_PIXELS:
            raise Image.DecompressionBombError
        if image.format == "JPEG" and data.count(b"\xff\xda") > MAX_JPEG_SCANS:
            raise UnreadableImage(
                f"a JPEG of more than {MAX_JPEG_SCANS} scans, which only serves to waste time"
            )
        if max(image.size) > 20 * min(image.size):
            raise UnreadableImage(f"{image.width}x{image.height} pixels is a strip, not a face")
        quality = _estimate_jpeg_quality(image)
        mode, frames = image.mode, _count_frames(image)
        upright = convert_to_srgb(image)
        ImageOps.exif_transpose(upright, in_place=True)
        return DecodedFace(
            square=upright,
            format=image.format,
            mode=mode,
            width=image.width,
            height=image.height,
            quality=quality,
            frames=frames,
        )


def _count_frames(image: Image.Image) -> int:
    """Count frames, up to 2 in a TIFF: Pillow counts those in quadratic time, hours for a crafted
    file of 20 MB."""
    if image.format == "TIFF":
        return 2 if getattr(image, "is_animated", False) else 1
    return getattr(image, "n_frames", 1)


def _explain_unreadable(data: bytes, error: Exception) -> str:
    if not data:
        return "empty file"
    if data[4:8] == b"ftyp":
        return "HEIC, AVIF and video files are not opened; save it as JPEG or PNG"
    if data[:4] == b"GIF8":
        return "GIF is not opened; save it as JPEG or PNG"
    if data.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
        return "JPEG XL is not opened; save it as JPEG or PNG"
    if isinstance(error, MemoryError):
        return "opening it takes more memory than there is"
    if isinstance(error, Image.UnidentifiedImageError):
        return f"not an image of a known format ({', '.join(IMAGE_FORMATS)})"
    return "damaged: " + " ".join(str(error).split())[:100]


def _estimate_jpeg_quality(image: Image.Image) -> int | None:
    if not isinstance(image, JpegImagePlugin.JpegImageFile) or 0 not in image.quantization:
        return None
    scale = 100 * float(np.median(np.array(image.quantization[0]) / _LUMA_TABLE_AT_QUALITY_50))
    return round((200 - scale) / 2 if scale <= 100 else 5000 / scale)


def _crop_centre_square(image: Image.Image) -> Image.Image:
    side = min(image.size)
    if side == max(image.size):
        return image
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


CROPS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "centre": _crop_centre_square,
    "face": face_detector.crop_to_face,
}
