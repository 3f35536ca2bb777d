"""Encode decoded faces as canonical JPEGs: fixed size, no metadata, deterministic random views for
training, and fixed qualities for judging."""

import hashlib
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageOps

from data_collection.images.decode import DecodedFace
from data_collection.images.encode import encode_jpeg

CANONICALISER_VERSION = 2
"""Part of every feature cache's key: features from another resize differ by up to 11% (cosine
.891)."""


DECODER_VERSION = 2
"""Part of the caches' keys only: colours of a few files changed since 1 (profiles of pictures with
alpha, palettes and in grey, TIFFs of 9 to 15 bits). Detectors of both versions are the same."""

FINAL_JPEG_QUALITY_RANGE = (60, 95)
HISTORY_JPEG_QUALITY_RANGE = (35, 85)
HISTORY_SCALE_RANGE = (0.4, 0.9)

JUDGEMENT_QUALITIES = (65, 90)
"""JPEG qualities at which an image is judged; all must agree on an answer.

They are the same for every image, so that nothing but its pixels decides. New detectors are
calibrated with these; a saved one keeps those of its card.
"""


def encode_canonical_jpeg(face: DecodedFace, face_id: str, size: int, view: int = 0) -> bytes:
    """Encode view `view` of a face as a `size` x `size` JPEG without metadata.

    Every view is a deterministic sample, seeded with (face_id, view): a final quality from
    U(60, 95), 4:2:0. Views above 0 also get a random mirror and history, as if the picture had been
    passed on before: a JPEG of quality U(35, 85), or shrinking to U(.4, .9) of its size. View 0 is
    stored (at the data set's size). A view below 0 is the plain picture at the quality -view, the
    same for every face: images are judged in these views (`list_judgement_views`).
    """
    if view < 0:
        return encode_jpeg(_resize(face.square, size), -view)
    seed = int(hashlib.sha256(f"{face_id}:{view}".encode()).hexdigest()[:16], 16)
    random = np.random.default_rng(seed)
    quality = int(random.integers(FINAL_JPEG_QUALITY_RANGE[0], FINAL_JPEG_QUALITY_RANGE[1] + 1))
    square = face.square
    if view:
        square = _apply_random_history(square, size, random)
    return encode_jpeg(_resize(square, size), quality)


def list_judgement_views(qualities: Sequence[int] = JUDGEMENT_QUALITIES) -> list[int]:
    """Return the views in which an image is judged: plain, at each of these JPEG qualities."""
    return [-quality for quality in qualities]


def _resize(square: Image.Image, size: int) -> Image.Image:
    if square.width == size:
        return square
    return square.resize((size, size), Image.Resampling.LANCZOS)


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
    return _decode_pixels(encode_canonical_jpeg(face, face_id, size, view))


def compute_judgement_pixels(
    face: DecodedFace, size: int, qualities: Sequence[int] = JUDGEMENT_QUALITIES
) -> np.ndarray:
    """Return the pixels in which a face is judged: uint8, shape (qualities, size, size, 3)."""
    square = _resize(face.square, size)
    return np.stack([_decode_pixels(encode_jpeg(square, quality)) for quality in qualities])


def _decode_pixels(jpeg: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as image:
        return np.asarray(image.convert("RGB"))
