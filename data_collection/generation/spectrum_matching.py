"""Give a picture the amplitudes of another one, frequency by frequency."""

import numpy as np
from PIL import Image


def match_spectrum(image: Image.Image, original: Image.Image) -> Image.Image:
    """Return the image with the radial mean of the original's amplitude spectrum, channel by
    channel; phases stay.

    Both are square, and of one size. Rounding and clipping to 8 bits leave a small difference.
    """
    pixels, wanted = (np.asarray(picture, dtype=np.float64) for picture in (image, original))
    spectrum = np.fft.rfft2(pixels, axes=(0, 1))
    ratios = measure_amplitudes(wanted) / np.maximum(measure_amplitudes(pixels), 1e-9)
    matched = np.fft.irfft2(spectrum * ratios[_number_rings(len(pixels))], pixels.shape[:2], (0, 1))
    return Image.fromarray(matched.round().clip(0, 255).astype(np.uint8))


def measure_amplitudes(pixels: np.ndarray) -> np.ndarray:
    """Return the mean amplitude on each ring of frequencies, shape (rings, channels).

    Args:
        pixels: shape (side, side, channels).
    """
    rings = _number_rings(len(pixels))
    amplitudes = np.abs(np.fft.rfft2(pixels, axes=(0, 1)))
    counts = np.bincount(rings.ravel())
    sums = [
        np.bincount(rings.ravel(), channel.ravel()) for channel in np.moveaxis(amplitudes, 2, 0)
    ]
    return np.stack(sums, axis=1) / counts[:, None]


def _number_rings(side: int) -> np.ndarray:
    """Return the ring of every frequency of the half spectrum, one cycle per picture wide."""
    down, across = np.fft.fftfreq(side, 1 / side)[:, None], np.fft.rfftfreq(side, 1 / side)
    return np.hypot(down, across).round().astype(int)
