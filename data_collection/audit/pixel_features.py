"""Measure the pixels: colour, layout, border, spectrum."""

import functools

import numpy as np
from PIL import Image

from data_collection.audit.file_differences import COLOUR_DIFFERENCE
from data_collection.audit.file_features import FeatureValues

MAX_MEASURED_SIDE_PX = 512
"""Side of the measured centre, in pixels; traces are everywhere, and large images take time."""


CELLS_PER_SIDE = 8

EDGE_DETAIL = "fine contrast"
"""First words of those features of the border that a caption or a frame changes."""


SPECTRUM_BANDS = 8


def measure_pixels(square: Image.Image, power: np.ndarray) -> dict[str, FeatureValues]:
    """Return the features of frame, nuisances and spectrum of a square RGB image, by probe.

    Args:
        power: result of `compute_power` for the same image.
    """
    border = measure_border(square)
    return {
        "caption or frame": {name: border[name] for name in border if name.startswith(EDGE_DETAIL)},
        "colour": measure_colour(square),
        "thumbnail": measure_thumbnail(square),
        "border": border,
        "spectrum": measure_spectrum(power),
    }


def crop_centre(square: Image.Image) -> Image.Image:
    side = min(square.width, MAX_MEASURED_SIDE_PX)
    corner = (square.width - side) // 2
    return square.crop((corner, corner, corner + side, corner + side))


def crop_grey_centre(square: Image.Image) -> np.ndarray:
    return np.asarray(crop_centre(square).convert("L"), dtype=np.float32)


def measure_colour(square: Image.Image) -> FeatureValues:
    small = square.resize((64, 64), Image.Resampling.BOX)
    rgb = np.asarray(small, dtype=np.float64)
    saturation = np.asarray(small.convert("HSV"), dtype=np.float64)[..., 1]
    grey = rgb.mean(axis=2)
    levels = np.percentile(grey, (5, 25, 50, 75, 95))
    return {
        **{
            f"mean of {name}": float(rgb[..., i].mean())
            for i, name in enumerate(("red", "green", "blue"))
        },
        **{
            f"contrast of {name}": float(rgb[..., i].std())
            for i, name in enumerate(("red", "green", "blue"))
        },
        **{
            f"brightness at {share}%": float(level)
            for share, level in zip((5, 25, 50, 75, 95), levels, strict=True)
        },
        "saturation": float(saturation.mean()),
        "spread of saturation": float(saturation.std()),
        COLOUR_DIFFERENCE: float(np.ptp(rgb, axis=2).mean()),
        "share of black": float((grey < 4).mean()),
        "share of white": float((grey > 251).mean()),
    }


def measure_thumbnail(square: Image.Image) -> FeatureValues:
    cells = np.asarray(
        square.convert("L").resize((CELLS_PER_SIDE, CELLS_PER_SIDE), Image.Resampling.BOX),
        dtype=np.float64,
    )
    return {
        f"brightness {_describe_cell(y, x)}": float(cells[y, x])
        for y in range(CELLS_PER_SIDE)
        for x in range(CELLS_PER_SIDE)
    }


def measure_border(square: Image.Image) -> FeatureValues:
    """Measure the brightness of a thin frame in 32 pieces, and its fine contrast against the
    strip just inside: margins, captions."""
    grey = np.asarray(square.convert("L"), dtype=np.float32)
    depth = max(square.width // 32, 3)
    features: FeatureValues = {}
    # Edge and start of each turn, in the order in which rot90 brings them up.
    edges = (("top", "left"), ("right", "top"), ("bottom", "right"), ("left", "bottom"))
    for turn, (edge, start) in enumerate(edges):
        turned = np.rot90(grey, turn)
        strips = [
            np.array_split(turned[first : first + depth], CELLS_PER_SIDE, axis=1)
            for first in (0, depth)
        ]
        for number, (outer, inner) in enumerate(zip(*strips, strict=True), 1):
            where = f"at the {edge}, piece {number} of {CELLS_PER_SIDE} from the {start}"
            features[f"brightness {where}"] = float(outer.mean())
            contrast = _compute_fine_contrast(outer) - _compute_fine_contrast(inner)
            features[f"{EDGE_DETAIL} {where}"] = contrast
    return features


def _compute_fine_contrast(piece: np.ndarray) -> float:
    return float(np.log1p(np.abs(np.diff(piece, axis=1)).mean()))


def _describe_cell(y: int, x: int) -> str:
    return f"in row {y + 1}, column {x + 1} of {CELLS_PER_SIDE} x {CELLS_PER_SIDE}"


def compute_power(grey: np.ndarray) -> np.ndarray:
    """Return the power of each frequency of a square picture, shape (side, side // 2 + 1)."""
    from scipy import fft

    window = np.hanning(len(grey)).astype(np.float32)
    return np.abs(fft.rfft2((grey - grey.mean()) * window[:, None] * window[None, :])) ** 2


def measure_spectrum(power: np.ndarray) -> FeatureValues:
    """Measure log power in radial bands, and on the diagonals relative to the axes."""
    bands, diagonal, axial = _build_frequency_masks(len(power))
    count = np.bincount(bands.ravel(), minlength=SPECTRUM_BANDS + 1)
    level = np.log(
        np.bincount(bands.ravel(), power.ravel(), minlength=SPECTRUM_BANDS + 1)
        / np.maximum(count, 1)
        + 1
    )
    features: FeatureValues = {
        f"power in band {band + 1} of {SPECTRUM_BANDS}": float(level[band])
        for band in range(SPECTRUM_BANDS)
    }
    features["power on the diagonals"] = float(
        np.log(power[diagonal].mean() + 1) - np.log(power[axial].mean() + 1)
    )
    return features


@functools.lru_cache(maxsize=8)
def _build_frequency_masks(side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    across = 2 * np.abs(np.fft.fftfreq(side))[:, None]
    along = 2 * np.abs(np.fft.rfftfreq(side))[None, :]
    radius = np.hypot(across, along)
    bands = np.minimum((radius * SPECTRUM_BANDS).astype(np.int64), SPECTRUM_BANDS)
    fine = (radius > 0.5) & (radius < 1)
    slant = np.minimum(across, along) / np.maximum(np.maximum(across, along), 1e-9)
    return bands, fine & (slant > 0.7), fine & (slant < 0.3)
