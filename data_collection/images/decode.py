"""Decode image files into upright RGB squares.

`decode_face` and `canonical.compute_canonical_pixels` are the only path by which pixels reach a
network. Collection, training, validation and detection share it, so no class or room can be
recognised by how its images were handled."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from PIL import Image, ImageOps

from data_collection.images import face_detector
from data_collection.images.colour import convert_to_srgb
from data_collection.images.containers import jpeg, other_files
from data_collection.images.errors import NotEnoughMemory, UnknownImageFormat, UnreadableImage
from data_collection.images.jpeg_quality import estimate_jpeg_quality
from data_collection.images.opening import (
    IMAGE_FORMATS,
    MAX_IMAGE_PIXELS,
    MAX_JPEG_PIXELS,
    STORED_SIZE,
    open_image,
)

MAX_IMAGE_BYTES = 200_000_000


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
            than the limits (read from the header, before any pixel is decoded).
        NoSingleFace: `crop` is "face", and the image does not show exactly one.
    """
    whole = decode_whole(data)
    return replace(whole, square=CROPS[crop](whole.square))


def decode_whole(data: bytes) -> DecodedFace:
    """Decode bytes into an upright RGB picture of any shape, in the place of the square.

    Raises:
        UnreadableImage: as `decode_face` raises it.
    """
    if reason := other_files.explain_other_file(data):
        raise UnknownImageFormat(reason)
    try:
        return _decode_upright(data)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise UnreadableImage(_explain_too_large(data)) from None
    except UnreadableImage:
        raise
    # Pillow's decoders raise a dozen types on damaged data; each means the same here.
    except Exception as error:
        is_unknown = isinstance(error, Image.UnidentifiedImageError)
        error_class = UnknownImageFormat if is_unknown else UnreadableImage
        error_class = NotEnoughMemory if isinstance(error, MemoryError) else error_class
        raise error_class(_explain_unreadable(data, error)) from None


def _decode_upright(data: bytes) -> DecodedFace:
    with open_image(data) as image:
        quality = estimate_jpeg_quality(image)
        mode, frames = image.mode, _count_frames(image)
        width, height = image.info.get(STORED_SIZE, image.size)
        upright = convert_to_srgb(image)
        ImageOps.exif_transpose(upright, in_place=True)
        return DecodedFace(
            square=upright,
            format=image.format,
            mode=mode,
            width=width,
            height=height,
            quality=quality,
            frames=frames,
        )


def _count_frames(image: Image.Image) -> int:
    """Count frames, up to 2 in a TIFF: Pillow counts those in quadratic time, hours for a crafted
    file of 20 MB."""
    if image.format == "TIFF":
        return 2 if getattr(image, "is_animated", False) else 1
    return getattr(image, "n_frames", 1)


def _explain_too_large(data: bytes) -> str:
    if data.startswith(jpeg.SIGNATURE):
        return (
            f"a JPEG larger than {MAX_JPEG_PIXELS // 1_000_000} megapixels, or of a kind that is "
            "not decoded at a part of its size; save it smaller"
        )
    return (
        f"larger than {MAX_IMAGE_PIXELS // 1_000_000} megapixels; save it with the long side "
        "under 5,000 pixels, or as a JPEG"
    )


def _explain_unreadable(data: bytes, error: Exception) -> str:
    if not data:
        return "empty file; get another copy"
    if data[:4] == b"GIF8":
        return "GIF is not opened; save it as JPEG or PNG"
    if data.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
        return "JPEG XL is not opened; save it as JPEG or PNG"
    if isinstance(error, MemoryError):
        return "opening it takes more memory than there is"
    if isinstance(error, Image.UnidentifiedImageError):
        return f"not an image of a known format ({', '.join(IMAGE_FORMATS)}, AVIF, HEIC)"
    return "damaged: " + " ".join(str(error).split())[:100]


def _crop_centre_square(image: Image.Image) -> Image.Image:
    return cut_out(image, place_centre_square(image.size))


def place_centre_square(size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the largest square in the centre of a picture.

    Args:
        size: its width and height.
    """
    side = min(size)
    left, top = ((length - side) // 2 for length in size)
    return left, top, left + side, top + side


def cut_out(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """Return a part of a picture, or the picture itself if it is all of it, not copied."""
    return image if box == (0, 0, *image.size) else image.crop(box)


CROPS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "centre": _crop_centre_square,
    "face": face_detector.crop_to_face,
}
