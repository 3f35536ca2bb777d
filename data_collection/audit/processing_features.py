"""Measure traces of processing: sharpness, chroma, kernel; noise, vignette, profile.

Each may be what a source did to its files, or what a generator does; the audit cannot tell which.
"""

import functools

import numpy as np
from PIL import Image

from data_collection.audit.file_features import FeatureValues
from data_collection.audit.pixel_features import crop_centre
from data_collection.images.canonical import FINAL_JPEG_QUALITY_RANGE

CALM_SHARES = (0.05, 0.15, 0.3, 0.5)
"""Shares of the blocks of an image, the calmest first, whose detail is taken for noise."""

MIN_EXPOSURE, MAX_EXPOSURE = 20, 240
"""Mean brightness of blocks in which noise is looked for; darker and brighter ones are clipped."""

MEAN_QUALITY = sum(FINAL_JPEG_QUALITY_RANGE) / 2

_DCT_ORDER = np.add.outer(np.arange(8), np.arange(8))
NOISE_BANDS = {
    "coarse noise": (_DCT_ORDER >= 1) & (_DCT_ORDER < 3),
    "noise": (_DCT_ORDER >= 3) & (_DCT_ORDER <= 6),
    "fine noise": _DCT_ORDER > 6,
}

FINE_BAND_EDGES = (0.5, 0.625, 0.75, 0.875, 1.0)
MIDDLE_BAND_EDGES = (0.2, 0.4)
"""Limits of bands of frequencies, in parts of the highest along an axis."""

VIGNETTE_CELLS_PER_SIDE = 16
VIGNETTE_RING_EDGES = (0.0, 0.4, 0.7, 1.0, 1.5)
"""Limits of the rings, in half sides from the centre; a corner is 1.41 away."""

MIN_BRIGHTNESS = 8
"""Added before the logarithm, so that black has no gradient of its own."""


QUALITY_FEATURE = "its own JPEG quality"
"""Classifiers allow for it: the last coding, whose quality is random, takes fine detail."""


def measure_resolution(
    square: Image.Image, power: np.ndarray, quality: float
) -> dict[str, FeatureValues]:
    """Return the features of sharpness, chroma and kernel of a square RGB image, by probe.

    Args:
        power: result of `pixel_features.compute_power` for the same image.
        quality: of the JPEG that the image comes from.
    """
    luma, blue, red = split_luma_and_chroma(square)
    probes = {
        "sharpening or smoothing": measure_sharpness(luma),
        "chroma detail": measure_chroma(luma, blue, red),
        "resize kernel": measure_resize_kernel(power),
    }
    return {name: {**values, QUALITY_FEATURE: quality} for name, values in probes.items()}


def measure_finish(square: Image.Image, quality: float) -> dict[str, FeatureValues]:
    """Return the features of noise, vignette and profile of a square RGB image, by probe."""
    luma, blue, red = split_luma_and_chroma(square)
    return {
        "noise": measure_noise(luma, quality),
        "vignette": measure_vignette(square),
        "colour profile": measure_colour_profile(np.asarray(crop_centre(square)), blue, red),
    }


def split_luma_and_chroma(square: Image.Image) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    ycbcr = np.asarray(crop_centre(square).convert("YCbCr"), dtype=np.float32)
    return ycbcr[..., 0], ycbcr[..., 1], ycbcr[..., 2]


def measure_sharpness(luma: np.ndarray) -> FeatureValues:
    """Measure fine detail, by itself and against coarser detail of the same image."""
    laplacian = _compute_laplacian(luma)
    gradient = np.abs(np.diff(luma, axis=0)).mean() + np.abs(np.diff(luma, axis=1)).mean()
    half = _halve(luma)
    levels = [_compute_log_spread(plane) for plane in (luma, half, _halve(half))]
    kurtosis = np.square(np.square(laplacian)).mean() / (laplacian.var() ** 2 + 1e-6)
    return {
        "strength of edges": float(np.log1p(gradient)),
        "fine detail": levels[0],
        "detail of 1 pixel against 2": levels[0] - levels[1],
        "detail of 2 pixels against 4": levels[1] - levels[2],
        "peakedness of detail": float(np.log1p(kurtosis)),
        "share of flat pixels": float((np.abs(laplacian) < 1).mean()),
    }


def measure_noise(luma: np.ndarray, quality: float) -> FeatureValues:
    """Measure how little detail the calmest blocks of 8 x 8 pixels have, by frequency.

    The canonical JPEG takes the more of it the lower its quality, which is random; so a linear
    model is given each feature at the mean quality and its change with quality.
    """
    from scipy import fft

    side = len(luma) // 8 * 8
    blocks = luma[:side, :side].reshape(side // 8, 8, -1, 8).swapaxes(1, 2).reshape(-1, 8, 8)
    mean = blocks.mean(axis=(1, 2))
    is_exposed = (mean > MIN_EXPOSURE) & (mean < MAX_EXPOSURE)
    power = fft.dctn(blocks[is_exposed], axes=(1, 2), norm="ortho") ** 2
    features: FeatureValues = {}
    distance = (quality - MEAN_QUALITY) / 10
    for band, mask in NOISE_BANDS.items():
        level = np.sqrt(power[:, mask].mean(axis=1)) if is_exposed.any() else np.zeros(1)
        for share, value in zip(CALM_SHARES, np.quantile(level, CALM_SHARES), strict=True):
            name, value = f"{band} in the calmest {share:.0%} of blocks", float(np.log(value + 0.1))
            features[name] = value
            features[f"{name}, by JPEG quality"] = value * distance
            features[f"{name}, by its square"] = value * distance**2
    return features


def measure_chroma(luma: np.ndarray, blue: np.ndarray, red: np.ndarray) -> FeatureValues:
    """Measure the detail of colours against that of brightness, at half and quarter resolution.

    Full resolution would show the 4:2:0 of the canonical JPEG, which all images share.
    """
    features: FeatureValues = {}
    planes = {"brightness": luma, "blue against yellow": blue, "red against green": red}
    for step in (2, 4):
        planes = {name: _halve(plane) for name, plane in planes.items()}
        levels = {name: _compute_log_spread(plane) for name, plane in planes.items()}
        reference = levels.pop("brightness")
        for name, level in levels.items():
            features[f"detail of {name}, {step} pixels"] = level
            features[f"detail of {name} against brightness, {step} pixels"] = level - reference
    return features


def measure_resize_kernel(power: np.ndarray) -> FeatureValues:
    """Measure how the fine frequencies fall off, along the axes and along the diagonals, against
    the middle ones."""
    middle, bands = _build_kernel_masks(len(power))
    reference = np.log(power[middle].mean() + 1)
    return {name: float(np.log(power[mask].mean() + 1) - reference) for name, mask in bands.items()}


@functools.lru_cache(maxsize=8)
def _build_kernel_masks(side: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    across = 2 * np.abs(np.fft.fftfreq(side))[:, None]
    along = 2 * np.abs(np.fft.rfftfreq(side))[None, :]
    radius, largest = np.hypot(across, along), np.maximum(across, along)
    slant = np.minimum(across, along) / np.maximum(largest, 1e-9)
    low, high = MIDDLE_BAND_EDGES
    masks = {
        f"frequencies {start:g} to {stop:g} {where}": is_there
        & (largest > start)
        & (largest <= stop)
        for start, stop in zip(FINE_BAND_EDGES, FINE_BAND_EDGES[1:], strict=False)
        for where, is_there in (("along the axes", slant < 0.2), ("on the diagonals", slant > 0.7))
    }
    return (radius > low) & (radius <= high), masks


def measure_vignette(square: Image.Image) -> FeatureValues:
    """Measure how brightness falls off from the centre: by ring, and as the median slope.

    The median over cells asks for a slope that most places share, whatever is pictured there.
    """
    cells = np.asarray(
        square.convert("L").resize((VIGNETTE_CELLS_PER_SIDE,) * 2, Image.Resampling.BOX),
        dtype=np.float64,
    )
    level = np.log(cells + MIN_BRIGHTNESS)
    down, right = np.gradient(level)
    positions = (np.arange(VIGNETTE_CELLS_PER_SIDE) + 0.5) * 2 / VIGNETTE_CELLS_PER_SIDE - 1
    y, x = positions[:, None], positions[None, :]
    radius = np.hypot(y, x)
    slope = (down * y + right * x) / np.maximum(radius, 1e-9)
    features: FeatureValues = {}
    rings = list(zip(VIGNETTE_RING_EDGES, VIGNETTE_RING_EDGES[1:], strict=False))
    for number, (start, stop) in enumerate(rings, 1):
        in_ring = (radius >= start) & (radius < stop)
        ring = f"in ring {number} of {len(rings)}"
        features[f"brightness {ring}"] = float(level[in_ring].mean() - level.mean())
        features[f"brightest cells {ring}"] = float(np.quantile(level[in_ring], 0.9))
        features[f"slope of brightness {ring}"] = float(np.median(slope[in_ring]))
    return features


def measure_colour_profile(rgb: np.ndarray, blue: np.ndarray, red: np.ndarray) -> FeatureValues:
    """Measure the range of colours: a lost profile makes all of them paler, or more vivid."""
    # The canonical JPEG halves the resolution of colours anyway.
    blue, red = _halve(blue) - 128, _halve(red) - 128
    chroma = np.hypot(blue, red)
    is_skin = (red > 4) & (blue < 0)
    skin = chroma[is_skin] if is_skin.any() else np.zeros(1)
    planes = {"vividness": chroma, "blue against yellow": blue, "red against green": red}
    shares = (5, 50, 90, 99)
    features: FeatureValues = {
        f"{name} at {share}%": float(value)
        for name, plane in planes.items()
        for share, value in zip(shares, np.percentile(plane, shares), strict=True)
    }
    features["vividness of warm colours"] = float(np.median(skin))
    features["hue of warm colours"] = float(np.median(-blue[is_skin]) if is_skin.any() else 0) / (
        float(np.median(red[is_skin])) if is_skin.any() else 1.0
    )
    channels = np.moveaxis(rgb, 2, 0)
    is_clipped = (functools.reduce(np.minimum, channels) < 3) & (
        functools.reduce(np.maximum, channels) > 60
    )
    features["share of colours at the limit"] = float(np.log(is_clipped.mean() + 1e-4))
    return features


def _halve(plane: np.ndarray) -> np.ndarray:
    """Average 2 x 2 pixels; an odd last row or column is left out."""
    height, width = (side // 2 * 2 for side in plane.shape)
    plane = plane[:height, :width]
    rows = plane[::2] + plane[1::2]
    return (rows[:, ::2] + rows[:, 1::2]) / 4


def _compute_laplacian(plane: np.ndarray) -> np.ndarray:
    middle = plane[1:-1, 1:-1]
    return 4 * middle - plane[:-2, 1:-1] - plane[2:, 1:-1] - plane[1:-1, :-2] - plane[1:-1, 2:]


def _compute_log_spread(plane: np.ndarray) -> float:
    return float(np.log1p(_compute_laplacian(plane).std()))
