"""Estimate the quality of a JPEG from its luminance table."""

import numpy as np
from PIL import Image, JpegImagePlugin

# The table of the JPEG standard (annex K) at quality 50, as libjpeg writes it.
_LUMA_TABLE_AT_QUALITY_50 = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    dtype=np.float64,
).ravel()


def estimate_jpeg_quality(image: Image.Image) -> int | None:
    """Return the quality on libjpeg's scale of 1 to 100; None if the image is not a JPEG."""
    if not isinstance(image, JpegImagePlugin.JpegImageFile) or 0 not in image.quantization:
        return None
    scale = 100 * float(np.median(np.array(image.quantization[0]) / _LUMA_TABLE_AT_QUALITY_50))
    return round((200 - scale) / 2 if scale <= 100 else 5000 / scale)
