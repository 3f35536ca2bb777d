"""Measure images and accumulate the measurements, class by class."""

import concurrent.futures
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from data_collection.dataset import stored_images
from data_collection.dataset.manifest import FaceRecord, Split
from data_collection.dataset.stored_images import read_canonical_image
from data_collection.images import decode, quality

AUDITED_SPLITS: tuple[Split, ...] = ("train", "validation")
"""Splits that are shown and measured; no file of the hold-out is opened."""

THUMBNAIL_SIDE_PX = 112
MEASURED_CENTRE_PX = 256
"""Side of the centre that detail and spectrum are measured on, in pixels."""

MEASUREMENT_BATCH_IMAGES = 32


@dataclass(frozen=True, kw_only=True)
class ImageStatistics:
    """Measurements of one image.

    Attributes:
        canonical: statistics of the canonical picture, by the names in HISTOGRAM_SPECS.
        original: statistics of the original, by the names in STATISTICS_OF_ORIGINALS.
        levels: shares of 64 levels of R, G and B; shape (3, 64).
        power: spectrum of the centre's grey levels in dB, frequency zero in the middle; shape
            (side, side).
        pixels: the canonical picture, shape (THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX, 3).
    """

    canonical: dict[str, float]
    original: dict[str, float]
    levels: np.ndarray
    power: np.ndarray
    pixels: np.ndarray


@dataclass(kw_only=True)
class ClassStatistics:
    """Measurements of one class, accumulated so that memory does not grow with their number.

    `levels`, `power` and `pixels` are sums over the images.
    """

    canonical: dict[str, list[float]] = field(default_factory=dict)
    original: dict[str, list[float]] = field(default_factory=dict)
    radial_profiles: list[np.ndarray] = field(default_factory=list)
    n_images: int = 0
    levels: np.ndarray | float = 0.0
    power: np.ndarray | float = 0.0
    pixels: np.ndarray | float = 0.0

    def add(self, image: ImageStatistics) -> None:
        self.n_images += 1
        for lists, values in ((self.canonical, image.canonical), (self.original, image.original)):
            for name, value in values.items():
                lists.setdefault(name, []).append(value)
        self.radial_profiles.append(compute_radial_profile(image.power))
        for name in ("levels", "power", "pixels"):
            setattr(self, name, getattr(self, name) + getattr(image, name))

    def compute_mean(self, name: Literal["levels", "power", "pixels"]) -> np.ndarray:
        return getattr(self, name) / self.n_images


def measure_class_statistics(folder: Path, records: Sequence[FaceRecord]) -> ClassStatistics:
    statistics = ClassStatistics()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(records), MEASUREMENT_BATCH_IMAGES):
            batch = records[start : start + MEASUREMENT_BATCH_IMAGES]
            for image in pool.map(lambda record: measure_image_statistics(folder, record), batch):
                statistics.add(image)
    return statistics


def measure_image_statistics(folder: Path, record: FaceRecord) -> ImageStatistics:
    square = read_canonical_image(folder, record)
    grey = np.asarray(square.convert("L"), dtype=np.float32)
    canonical = {
        "brightness": float(grey.mean()),
        "contrast": float(grey.std()),
        "saturation": float(np.asarray(square.convert("HSV").getchannel("S")).mean()) / 255,
        **_measure_texture(square),
    }
    levels = (
        np.stack(
            [np.bincount(np.asarray(band).ravel() // 4, minlength=64) for band in square.split()]
        )
        / grey.size
    )
    original = decode.decode_face(stored_images.read_original(folder, record), record.crop).square
    thumbnail = square.resize((THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX), Image.Resampling.LANCZOS)
    return ImageStatistics(
        canonical=canonical,
        original=_measure_texture(original),
        levels=levels,
        power=compute_power_spectrum(_crop_grey_centre(square)),
        pixels=np.asarray(thumbnail, dtype=np.float64),
    )


def _measure_texture(square: Image.Image) -> dict[str, float]:
    return {
        "sharpness": compute_laplacian_variance(_crop_grey_centre(square)),
        "detail": quality.measure_detail_power(square),
    }


def _crop_grey_centre(square: Image.Image) -> np.ndarray:
    side = min(MEASURED_CENTRE_PX, square.width)
    corner = (square.width - side) // 2
    return np.asarray(
        square.crop((corner, corner, corner + side, corner + side)).convert("L"), dtype=np.float32
    )


def compute_laplacian_variance(grey: np.ndarray) -> float:
    """Return the variance of the four-neighbour Laplacian, in squared grey levels."""
    inner = grey[1:-1, 1:-1]
    return float(
        (grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner).var()
    )


def compute_power_spectrum(grey: np.ndarray) -> np.ndarray:
    """Return the power of every frequency in dB of a squared grey level, frequency zero in the
    middle; a Hann window suppresses the edges."""
    window = np.outer(np.hanning(len(grey)), np.hanning(len(grey))).astype(np.float32)
    power = np.abs(np.fft.fft2((grey - grey.mean()) * window)) ** 2 / np.sum(window**2)
    return 10 * np.log10(np.fft.fftshift(power) + 1e-3)


def compute_radial_profile(power: np.ndarray) -> np.ndarray:
    """Return the mean of a spectrum over rings of equal frequency, from 0 to Nyquist; shape
    (side // 4,)."""
    side = len(power)
    frequency = np.fft.fftshift(np.fft.fftfreq(side))
    ring = (np.hypot(frequency[:, None], frequency[None, :]) * side / 2).astype(int)
    inside = ring < side // 4
    return np.bincount(ring[inside], power[inside]) / np.bincount(ring[inside])
