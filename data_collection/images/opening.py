"""Open an image file with Pillow, once its header has passed the checks of its container."""

import io
import warnings

from PIL import Image, JpegImagePlugin

from data_collection.images import colour
from data_collection.images.containers import bitmaps, heif, jpeg, png, tiff
from data_collection.images.errors import UnreadableImage

# Pillow opens no other decoder: those of PSD, FITS, PDF, EPS and JPEG 2000 had most of its CVEs.
IMAGE_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM")

MAX_AVIF_THREADS = 4
"""Pillow would start one on every core, each with memory of its own."""

MAX_IMAGE_PIXELS = 25_000_000
"""Largest picture that is decoded."""

MAX_JPEG_PIXELS = 200_000_000
"""Largest JPEG as it is stored: over MAX_IMAGE_PIXELS, it is decoded at a half or a quarter."""

MAX_COEFFICIENT_BYTES = 8 * MAX_IMAGE_PIXELS
"""libjpeg holds all coefficients of a progressive JPEG, two bytes a sample; a CMYK picture of
MAX_IMAGE_PIXELS needs as many. A colour photograph of 66 megapixels (4:2:0) has fewer."""

STORED_SIZE = "stored size"
"""Key of `info` in an image that is decoded at a part of its size."""

# Pillow warns at this size and decodes all the same; here the warning is an error.
Image.MAX_IMAGE_PIXELS = MAX_IMAGE_PIXELS
# One image of a stranger can give thousands of warnings about its metadata.
warnings.filterwarnings("ignore", module=r"PIL\.")
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


def open_image(data: bytes) -> Image.Image:
    """Open the bytes of an image; no pixel is decoded yet.

    Raises:
        UnreadableImage: the file is of a kind that is not opened, or only serves to waste time.
        Exception: Pillow's own, a dozen types, on damaged data.
    """
    if data.startswith(jpeg.SIGNATURE):
        header = jpeg.check_header(data)
        if header and MAX_IMAGE_PIXELS < header.width * header.height <= MAX_JPEG_PIXELS:
            return _open_at_part_of_its_size(data, header)
    elif data.startswith(png.SIGNATURE):
        data = png.drop_large_metadata(data)
    elif data.startswith(bitmaps.BMP_SIGNATURE):
        bitmaps.check_bmp(data)
    elif data.startswith(tiff.SIGNATURES):
        tiff.check_tiff(data)
    elif data[:1] == b"P":
        data = bitmaps.check_ppm(data)
    elif heif.is_heif(data):
        return _open_heif(data)
    image = Image.open(io.BytesIO(data), formats=IMAGE_FORMATS)
    if image.width * image.height > MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError
    _refuse_strip(image)
    return image


def _open_heif(data: bytes) -> Image.Image:
    """Open an AVIF or HEIC file: its still picture, also of one that holds a sequence."""
    header = heif.check_heif(data, MAX_IMAGE_PIXELS)
    image = _HEIF_OPENERS[header.kind](data)
    if image.width * image.height > MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError
    _refuse_strip(image)
    if "icc_profile" not in image.info and header.primaries in colour.WIDE_PRIMARIES_D50:
        image.info["icc_profile"] = colour.build_wide_profile(header.primaries)
    return image


def _open_avif(data: bytes) -> Image.Image:
    from PIL import AvifImagePlugin  # imported, like pi-heif, when such a file comes

    AvifImagePlugin.DEFAULT_MAX_THREADS = MAX_AVIF_THREADS
    # Of the brand avis, the sequence would be opened, whose headers were not checked.
    return AvifImagePlugin.AvifImageFile(io.BytesIO(data[:8] + b"avif" + data[12:]))


def _open_heic(data: bytes) -> Image.Image:
    try:
        import pi_heif
    except ImportError:
        raise UnreadableImage(
            "HEIC is opened once pi-heif is installed (pip install pi-heif); or save it as JPEG"
        ) from None
    return pi_heif.HeifImageFile(io.BytesIO(data))


_HEIF_OPENERS = {"AVIF": _open_avif, "HEIC": _open_heic}


def _open_at_part_of_its_size(data: bytes, header: jpeg.JpegHeader) -> Image.Image:
    """Open a large JPEG at the largest part of its size that is within MAX_IMAGE_PIXELS."""
    if not header.is_scalable:
        raise Image.DecompressionBombError
    if header.is_buffered and 2 * header.samples > MAX_COEFFICIENT_BYTES:
        raise UnreadableImage(
            f"a progressive JPEG of {header.width}x{header.height} pixels takes too much memory; "
            "save it as a JPEG that is not progressive, or smaller"
        )
    # Image.open would refuse it by the stored size.
    image = JpegImagePlugin.jpeg_factory(io.BytesIO(data))
    if image.size != (header.width, header.height):
        raise Image.DecompressionBombError
    _refuse_strip(image)
    parts = (part for part in (2, 4, 8) if _count_pixels(image, part) <= MAX_IMAGE_PIXELS)
    part = next(parts)
    image.info[STORED_SIZE] = image.size
    image.draft(image.mode, (image.width // part, image.height // part))
    if image.width * image.height > MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError
    return image


def _count_pixels(image: Image.Image, part: int) -> int:
    return -(-image.width // part) * -(-image.height // part)


def _refuse_strip(image: Image.Image) -> None:
    if max(image.size) > 20 * min(image.size):
        raise UnreadableImage(f"{image.width}x{image.height} pixels is a strip, not a face")
