"""Measure traces of enlarging and JPEG compression: periodic detail, block grids, quantisation."""

import numpy as np

from data_collection.audit.file_features import FeatureValues
from data_collection.audit.pixel_features import MAX_MEASURED_SIDE_PX
from data_collection.images.decode import DecodedFace

PERIODICITY_BANDS = 12


def _compute_periodicity(grey: np.ndarray) -> np.ndarray:
    """Return how far each frequency of the fine detail stands out from its neighbours, over rows
    and columns; shape (side // 2,).

    An enlarged picture is smoother between its old pixels than on them, and a JPEG has steps
    between its blocks: both are lines in this spectrum (Gallagher 2005; Mahdian and Saic 2008).
    Content has a spectrum without lines, and is divided out by the neighbours' median.
    """
    from scipy import fft, ndimage

    total = 0.0
    for picture in (grey, grey.T):
        curvature = picture[:, 2:] - 2 * picture[:, 1:-1] + picture[:, :-2]
        profile = np.log1p(np.abs(curvature)).mean(axis=0)
        profile = profile - ndimage.uniform_filter1d(profile, 9, mode="nearest")
        magnitude = np.abs(fft.rfft(profile * np.hanning(len(profile)), 2 * (len(grey) // 2)))[1:]
        total = total + magnitude / (ndimage.median_filter(magnitude, 31, mode="reflect") + 1e-6)
    return np.log(total / 2 + 0.1)


def measure_block_grid(grey: np.ndarray) -> FeatureValues:
    """Measure how far the frequencies of 8 x 8 blocks stand out."""
    periodicity = _compute_periodicity(grey)
    indices = [round(k * 2 * len(periodicity) / 8) - 1 for k in (1, 2, 3)]
    peaks = [periodicity[max(index - 1, 0) : index + 2].max() for index in indices]
    return {"trace of 8 x 8 blocks": float(np.mean(peaks))}


def measure_periodic_lines(grey: np.ndarray) -> FeatureValues:
    """Measure the strongest line in each frequency band, except lines of the 8 x 8 block grid.

    Those come from the latest coding of this image, so they say nothing about its history.
    """
    periodicity = _compute_periodicity(grey)
    count = len(periodicity)
    frequency = np.arange(1, count + 1) / (2 * count)
    is_block_grid = np.abs(frequency * 8 - np.round(frequency * 8)) < 8 * 1.5 / (2 * count)
    bands = np.floor(frequency * 2 * PERIODICITY_BANDS).astype(int).clip(0, PERIODICITY_BANDS - 1)
    features: FeatureValues = {}
    for band in range(1, PERIODICITY_BANDS):
        centre = (band + 0.5) / (2 * PERIODICITY_BANDS)
        features[f"periodic detail around {centre:.2f} cycles per pixel"] = float(
            periodicity[(bands == band) & ~is_block_grid].max(initial=np.log(0.1))
        )
    return features


_DCT_BASIS = np.cos(np.pi * (2 * np.arange(8)[:, None] + 1) * np.arange(3)[None, :] / 16) / 2
_DCT_BASIS[:, 0] = np.sqrt(1 / 8)


def measure_quantisation(face: DecodedFace) -> FeatureValues:
    """Measure how close block coefficients are to multiples of one step, and of a second one.

    JPEG compression leaves one step, a second compression another. The blocks are those of the
    original's own grid; a PNG that was once a JPEG has them too.
    """
    left, top = ((side - face.square.width) // 2 for side in (face.width, face.height))
    shifted = face.square.crop(
        (-left % 8, -top % 8, face.square.width, face.square.height)
    ).convert("L")
    grey = np.asarray(shifted, dtype=np.float32)[:MAX_MEASURED_SIDE_PX, :MAX_MEASURED_SIDE_PX]
    grey = grey[: len(grey) // 8 * 8, : grey.shape[1] // 8 * 8]
    blocks = grey.reshape(len(grey) // 8, 8, -1, 8)
    features: FeatureValues = {}
    for name, (v, u) in (("across", (0, 1)), ("down", (1, 0)), ("slanted", (1, 1))):
        values = np.einsum("aybx,y,x->ab", blocks, _DCT_BASIS[:, v], _DCT_BASIS[:, u]).ravel()
        steps = np.arange(2, 17)[:, None]
        angles = (2 * np.pi / steps).astype(np.float32) * values[None, :].astype(np.float32)
        regularity = np.hypot(np.cos(angles).mean(axis=1), np.sin(angles).mean(axis=1))
        first = int(regularity.argmax())
        others = [
            regularity[i]
            for i in range(len(regularity))
            if steps[first, 0] % steps[i, 0] and steps[i, 0] % steps[first, 0]
        ]
        features[f"first quantisation {name}"] = float(regularity[first])
        features[f"second quantisation {name}"] = float(max(others))
    return features
