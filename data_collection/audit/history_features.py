"""Traces that enlarging and JPEG compression leave in pixels: periodic detail, block grids,
quantisation."""

import numpy as np

from data_collection.audit.file_features import FeatureValues
from data_collection.audit.pixel_features import MAX_MEASURED_SIDE_PX
from data_collection.images.decode import DecodedFace

PERIODICITY_BANDS = 12


def _compute_periodicity(grey: np.ndarray) -> np.ndarray:
    """Return how far each frequency of the fine detail along rows and columns stands out from
    its neighbours; shape (side // 2,).

    An enlarged picture is smoother between its old pixels than on them, and a JPEG has steps
    between its blocks: both are lines in this spectrum (Gallagher 2005; Mahdian and Saic 2008).
    Content has a spectrum without lines, and is divided out by the neighbours' median.
    """
    from scipy import fft, ndimage

    total = 0.0
    for picture in (grey, grey.T):
        bend = np.log1p(np.abs(picture[:, 2:] - 2 * picture[:, 1:-1] + picture[:, :-2])).mean(
            axis=0
        )
        bend = bend - ndimage.uniform_filter1d(bend, 9, mode="nearest")
        magnitude = np.abs(fft.rfft(bend * np.hanning(len(bend)), 2 * (len(grey) // 2)))[1:]
        total = total + magnitude / (ndimage.median_filter(magnitude, 31, mode="reflect") + 1e-6)
    return np.log(total / 2 + 0.1)


def measure_block_grid(grey: np.ndarray) -> FeatureValues:
    """Measure how far the frequencies of 8 x 8 blocks stand out."""
    found = _compute_periodicity(grey)
    places = [round(k * 2 * len(found) / 8) - 1 for k in (1, 2, 3)]
    return {
        "trace of 8 x 8 blocks": float(
            np.mean([found[max(p - 1, 0) : p + 2].max() for p in places])
        )
    }


def measure_periodic_lines(grey: np.ndarray) -> FeatureValues:
    """Measure the strongest line in each band of frequency, except those of this image's own 8
    x 8 blocks.

    Those say how coarsely this content was coded just now, which is no history.
    """
    found = _compute_periodicity(grey)
    frequency = np.arange(1, len(found) + 1) / (2 * len(found))
    own = np.abs(frequency * 8 - np.round(frequency * 8)) < 8 * 1.5 / (2 * len(found))
    bands = np.floor(frequency * 2 * PERIODICITY_BANDS).astype(int).clip(0, PERIODICITY_BANDS - 1)
    return {
        f"periodic detail around {(band + 0.5) / (2 * PERIODICITY_BANDS):.2f} cycles per pixel": float(
            found[(bands == band) & ~own].max(initial=np.log(0.1))
        )
        for band in range(1, PERIODICITY_BANDS)
    }


_DCT_BASIS = np.cos(np.pi * (2 * np.arange(8)[:, None] + 1) * np.arange(3)[None, :] / 16) / 2
_DCT_BASIS[:, 0] = np.sqrt(1 / 8)


def measure_quantisation(face: DecodedFace) -> FeatureValues:
    """Measure how closely block coefficients keep to multiples of one step, and of a second
    one: JPEG, and JPEG twice.

    The blocks are those of the original's own grid; a PNG that was once a JPEG has them too.
    """
    left, top = ((side - face.square.width) // 2 for side in (face.width, face.height))
    shifted = face.square.crop(
        (-left % 8, -top % 8, face.square.width, face.square.height)
    ).convert("L")
    grey = np.asarray(shifted, dtype=np.float32)[:MAX_MEASURED_SIDE_PX, :MAX_MEASURED_SIDE_PX]
    grey = grey[: len(grey) // 8 * 8, : grey.shape[1] // 8 * 8]
    blocks = grey.reshape(len(grey) // 8, 8, -1, 8)
    found: FeatureValues = {}
    for name, (v, u) in (("across", (0, 1)), ("down", (1, 0)), ("slanted", (1, 1))):
        values = np.einsum("aybx,y,x->ab", blocks, _DCT_BASIS[:, v], _DCT_BASIS[:, u]).ravel()
        steps = np.arange(2, 17)[:, None]
        angles = (2 * np.pi / steps).astype(np.float32) * values[None, :].astype(np.float32)
        kept = np.hypot(np.cos(angles).mean(axis=1), np.sin(angles).mean(axis=1))
        first = int(kept.argmax())
        others = [
            kept[i]
            for i in range(len(kept))
            if steps[first, 0] % steps[i, 0] and steps[i, 0] % steps[first, 0]
        ]
        found[f"first quantisation {name}"] = float(kept[first])
        found[f"second quantisation {name}"] = float(max(others))
    return found
