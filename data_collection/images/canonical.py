"""Encode decoded faces as canonical JPEGs: fixed size, no metadata, and deterministic random views
for training."""

import hashlib
import io

import numpy as np
from PIL import Image, ImageOps

from data_collection.images.decode import DecodedFace
from data_collection.images.encode import encode_jpeg

CANONICALISER_VERSION = 2
"""Part of every feature cache's key: features from another resize differ by up to 11% (cosine
.891)."""


FINAL_JPEG_QUALITY_RANGE = (60, 95)
HISTORY_JPEG_QUALITY_RANGE = (35, 85)
HISTORY_SCALE_RANGE = (0.4, 0.9)


def encode_canonical_jpeg(face: DecodedFace, face_id: str, size: int, view: int = 0) -> bytes:
    """Encode view `view` of a face as a `size` x `size` JPEG without metadata.

    Every view is a deterministic sample, seeded with (face_id, view): a final quality from
    U(60, 95), 4:2:0. Views above 0 also get a random mirror and history, as if the picture had been
    passed on before: a JPEG of quality U(35, 85), or shrinking to U(.4, .9) of its size. View 0 is
    stored (at the data set's size), validated and detected (at the detector's).
    """
    seed = int(hashlib.sha256(f"{face_id}:{view}".encode()).hexdigest()[:16], 16)
    random = np.random.default_rng(seed)
    quality = int(random.integers(FINAL_JPEG_QUALITY_RANGE[0], FINAL_JPEG_QUALITY_RANGE[1] + 1))
    square = face.square
    if view:
        square = _apply_random_history(square, size, random)
    if square.width != size:
        square = square.resize((size, size), Image.Resampling.LANCZOS)
    return encode_jpeg(square, quality)


def _apply_random_history(
    square: Image.Image, size: int, random: np.random.Generator
) -> Image.Image:
    if random.random() < 0.5:
        square = ImageOps.mirror(square)
    # A history at many times the final size would be invisible after shrinking.
    if square.width > 2 * size:
        square = square.resize((2 * size, 2 * size), Image.Resampling.LANCZOS)
    if random.random() < 0.5:
        quality = int(random.integers(*HISTORY_JPEG_QUALITY_RANGE))
        return Image.open(io.BytesIO(encode_jpeg(square, quality)))
    side = max(16, round(square.width * random.uniform(*HISTORY_SCALE_RANGE)))
    return square.resize((side, side), Image.Resampling.LANCZOS)


def compute_canonical_pixels(
    face: DecodedFace, face_id: str, size: int, view: int = 0
) -> np.ndarray:
    """Return the pixels of `encode_canonical_jpeg`: uint8, shape (size, size, 3), values 0 to
    255."""
    with Image.open(
        io.BytesIO(encode_canonical_jpeg(face, face_id, size, view)), formats=("JPEG",)
    ) as image:
        return np.asarray(image.convert("RGB"))
