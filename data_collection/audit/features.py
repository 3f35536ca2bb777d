"""Compute the features that the audit tests: of files, and of the pixels that training sees.

Features of canonical pixels are computed from those pixels alone. The side of the original must
not enter them, or the audit would find its own bookkeeping.
"""

import numpy as np

from data_collection.audit.file_features import FeatureValues, measure_container
from data_collection.audit.history_features import (
    measure_block_grid,
    measure_periodic_lines,
    measure_quantisation,
)
from data_collection.audit.pixel_features import compute_power, crop_grey_centre, measure_pixels
from data_collection.audit.processing_features import (
    QUALITY_FEATURE,
    measure_finish,
    measure_resolution,
)
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
        **measure_pixels(face.square, compute_power(grey)),
    }


def measure_canonical(face: DecodedFace, record: FaceRecord, size: int) -> dict[str, FeatureValues]:
    """Return features of view 0 at a side of `size` pixels, as training sees it, by probe."""
    data = canonical.encode_canonical_jpeg(face, record.id, size)
    decoded = decode.decode_face(data)
    power = compute_power(crop_grey_centre(decoded.square))
    return {
        **measure_history_traces(data, decoded, power),
        **measure_finish(decoded.square, float(decoded.quality or 0)),
        **measure_pixels(decoded.square, power),
    }


def measure_history_traces(
    data: bytes, decoded: DecodedFace, power: np.ndarray
) -> dict[str, FeatureValues]:
    """Return features of a canonical JPEG in which a file's history may show, by probe."""
    quality = float(decoded.quality or 0)
    return {
        "processing history": measure_periodic_lines(crop_grey_centre(decoded.square)),
        **measure_resolution(decoded.square, power, quality),
        "file size": {"bytes": float(np.log(len(data))), QUALITY_FEATURE: quality},
    }
