"""Encode RGB images as JPEG or PNG bytes, without metadata."""

import io

from PIL import Image


def encode_jpeg(image: Image.Image, quality: int) -> bytes:
    """Encode an RGB image as a JPEG, 4:2:0, without metadata."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    return buffer.getvalue()


def encode_png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
