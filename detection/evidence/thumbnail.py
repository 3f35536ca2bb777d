"""Make the thumbnail of a page of evidence, and tell how far one is from another."""

import io

import numpy as np
from PIL import Image

from data_collection.images import opening
from data_collection.images.errors import UnreadableImage

MAX_THUMBNAIL_SIDE_PX, THUMBNAIL_QUALITY = 400, 85

MAX_LEVEL_DIFFERENCE = 16
"""Largest difference of a level, of 256, between thumbnails of one picture by two versions of
libjpeg; whatever shows differs by more."""

MAX_MEAN_DIFFERENCE = 4
"""The same for the mean over all pixels of thumbnails that are called nearly the same."""

FAR_APART = (255, 255.0)


def render_thumbnail(picture: Image.Image) -> bytes:
    """Return a small JPEG of an upright RGB picture, without metadata."""
    shown = picture.copy()
    shown.thumbnail((MAX_THUMBNAIL_SIDE_PX, MAX_THUMBNAIL_SIDE_PX), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(shown)).save(buffer, "JPEG", quality=THUMBNAIL_QUALITY)
    return buffer.getvalue()


def measure_difference(said: bytes, found: bytes) -> tuple[int, float]:
    """Return the largest and the mean difference of the levels of two thumbnails; the first may be
    any JPEG, and differs by all levels if it is none."""
    try:
        one, other = _load(said), _load(found)
    except Exception:  # Pillow's decoders raise a dozen types on damaged data
        return FAR_APART
    if one.shape != other.shape:
        return FAR_APART
    differences = np.abs(one - other)
    return int(differences.max()), float(differences.mean())


def _load(jpeg: bytes) -> np.ndarray:
    with opening.open_image(jpeg) as image:  # which checks the file before Pillow opens it
        if max(image.size) > MAX_THUMBNAIL_SIDE_PX:
            raise UnreadableImage
        return np.asarray(image.convert("RGB")).astype(int)
