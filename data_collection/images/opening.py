"""Open an image file with Pillow, once its header has passed the checks of its container."""

import io
import warnings

from PIL import Image

from data_collection.images.containers import bitmaps, jpeg, png
from data_collection.images.errors import UnreadableImage

# Pillow opens no other decoder: those of PSD, FITS, PDF, EPS and JPEG 2000 had most of its CVEs.
IMAGE_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM")

MAX_IMAGE_PIXELS = 25_000_000

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
        jpeg.check_header(data)
    elif data.startswith(png.SIGNATURE):
        data = png.drop_large_metadata(data)
    elif data.startswith(bitmaps.BMP_SIGNATURE):
        bitmaps.check_bmp(data)
    elif data.startswith(bitmaps.TIFF_SIGNATURES):
        bitmaps.check_tiff(data)
    elif data[:1] == b"P":
        data = bitmaps.check_ppm(data)
    image = Image.open(io.BytesIO(data), formats=IMAGE_FORMATS)
    if image.width * image.height > MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError
    if max(image.size) > 20 * min(image.size):
        raise UnreadableImage(f"{image.width}x{image.height} pixels is a strip, not a face")
    return image
