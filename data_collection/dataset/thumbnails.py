"""Thumbnails in the manifest: small grey pictures, by which cropped and turned copies are found."""

import base64
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from data_collection.dataset.manifest import FaceRecord
from data_collection.dataset.stored_images import read_canonical_image
from runtime import console
from runtime.terminal.counting import choose_verb, format_count

THUMBNAIL_SIDE_PX = 48
_BLUR_PX, _WEBP_QUALITY = 0.7, 85
"""Sharper thumbnails of a picture at two scales differ more, and take more bytes."""


def encode_thumbnail(square: Image.Image) -> str:
    """Return a small grey picture as WebP in base64: some 600 characters."""
    grey = square.convert("L").reduce(max(1, square.width // (4 * THUMBNAIL_SIDE_PX)))
    small = grey.resize((THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX), Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    # Full contrast, so that the compression costs dull pictures no more than others.
    small = ImageOps.autocontrast(small.filter(ImageFilter.GaussianBlur(_BLUR_PX)))
    small.save(buffer, "WEBP", quality=_WEBP_QUALITY)
    return base64.b64encode(buffer.getvalue()).decode()


def decode_thumbnails(records: Sequence[FaceRecord]) -> np.ndarray:
    """Return the thumbnails of rows that have one: uint8, shape (rows, side, side)."""
    pixels = np.zeros((len(records), THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX), np.uint8)
    for index, record in enumerate(records):
        pixels[index] = _decode_thumbnail(record.thumbnail)
    return pixels


def _decode_thumbnail(text: str) -> np.ndarray:
    """Return the pixels of a thumbnail; black, which resembles nothing, if it is damaged."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(text)), formats=("WEBP",)) as image:
            if image.size == (THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX):
                return np.asarray(image.convert("L"))
    except Exception:  # Pillow's decoders raise a dozen types on damaged data
        pass
    return np.zeros((THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX), np.uint8)


def add_missing_thumbnails(folder: Path, records: Sequence[FaceRecord]) -> list[FaceRecord]:
    """Return the rows; accepted ones that an older version collected without a thumbnail get it
    from their canonical picture, if that can be read."""
    completed = list(records)
    lacking = [
        index
        for index, record in enumerate(records)
        if record.accepted and record.image and not record.thumbnail
    ]
    if not lacking:
        return completed
    n_unreadable = 0
    for index in console.track_progress(lacking, "thumbnails of older images", len(lacking)):
        try:
            thumbnail = encode_thumbnail(read_canonical_image(folder, records[index]))
        except console.PlainError:
            n_unreadable += 1
            continue
        completed[index] = replace(records[index], thumbnail=thumbnail)
    if n_unreadable:
        console.print_warning(
            f"{format_count(n_unreadable, 'picture')} of {folder} cannot be read, so cropped or "
            f"turned copies of {choose_verb(n_unreadable, 'it', 'them')} are not looked for. "
            f"python -m data_collection verify {folder} names "
            f"{choose_verb(n_unreadable, 'it', 'them')}."
        )
    return completed
