"""Compute the features that the audit tests: of files, of pixels, and of images with a history.

Features of canonical pixels are computed from those pixels alone. The side of the original must
not enter them, or the audit would find its own bookkeeping.
"""

import io
from dataclasses import replace

import numpy as np
from PIL import Image

from data_collection.audit.file_features import FeatureValues, measure_container
from data_collection.audit.history_features import (
    measure_block_grid,
    measure_periodic_lines,
    measure_quantisation,
)
from data_collection.audit.pixel_features import crop_grey_centre, measure_pixels
from data_collection.dataset.manifest import FaceRecord
from data_collection.images import canonical, decode
from data_collection.images.decode import DecodedFace


def measure_original(
    data: bytes, face: DecodedFace, record: FaceRecord
) -> dict[str, FeatureValues]:
    """Return features of the file and of its pixels as they were collected, by probe."""
    grey = crop_grey_centre(face.square)
    history = {
        **measure_block_grid(grey),
        **measure_quantisation(face),
        **measure_periodic_lines(grey),
    }
    return {
        "container": measure_container(data, record),
        "processing history": history,
        **measure_pixels(face.square),
    }


def measure_canonical(face: DecodedFace, record: FaceRecord, size: int) -> dict[str, FeatureValues]:
    """Return features of view 0, as training sees it, by probe."""
    data = canonical.encode_canonical_jpeg(face, record.id, size)
    decoded = decode.decode_face(data)
    return {
        "processing history": measure_periodic_lines(crop_grey_centre(decoded.square)),
        "file size": {
            "bytes": float(np.log(len(data))),
            "its own JPEG quality": float(decoded.quality or 0),
        },
        **measure_pixels(decoded.square),
    }


def measure_with_history(
    face: DecodedFace, record: FaceRecord, history: FaceRecord, size: int
) -> FeatureValues:
    """Return features of view 0 of a face that was first saved with the size and the format of
    the file `history`."""
    probes = measure_canonical(apply_history(face, history), record, size)
    names = ("processing history", "sharpness", "spectrum", "file size")
    return {name: value for probe in names for name, value in probes[probe].items()}


def apply_history(face: DecodedFace, history: FaceRecord) -> DecodedFace:
    """Shrink the face to the side of the file `history` (never enlarge), then encode it in that
    file's format."""
    square, side = face.square, min(history.width, history.height)
    if side < square.width:
        square = square.resize((side, side), Image.Resampling.LANCZOS)
    if history.format in ("JPEG", "WEBP"):
        buffer = io.BytesIO()
        square.save(buffer, history.format, quality=min(max(history.quality or 80, 1), 100))
        square = Image.open(buffer).convert("RGB")
    return replace(face, square=square)
