"""Measure images and add the measurements up, class by class."""

import concurrent.futures
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from data_collection.dataset import stored_images
from data_collection.dataset.manifest import FaceRecord
from data_collection.dataset.stored_images import read_canonical_image
from data_collection.images import decode, quality

AUDITED_SPLITS = ("train", "validation")
"""Splits that are shown and measured; no file of the hold-out is opened."""

THUMBNAIL_SIDE_PX = 112
MEASURED_CENTRE_PX = 256
"""Side of the centre that detail and spectrum are measured on, in pixels."""


@dataclass(frozen=True)
class ImageStatistics:
    """Measurements of one image.

    Attributes:
        traits: of the canonical picture, by the names of figures_of_traits.TRAITS.
        before: of the original, by the names of figures_of_traits.FROM_ORIGINALS.
        levels: shares of 64 levels of R, G and B; shape (3, 64).
        power: spectrum of the centre's grey levels in dB, frequency zero in the middle; shape
            (side, side).
        face: the canonical picture, shape (FACE_SIDE, FACE_SIDE, 3).
    """

    traits: dict[str, float]
    before: dict[str, float]
    levels: np.ndarray
    power: np.ndarray
    face: np.ndarray


@dataclass
class ClassStatistics:
    """Measurements of one class, added up one by one, so that memory does not grow with their
    number."""

    traits: dict[str, list[float]] = field(default_factory=dict)
    before: dict[str, list[float]] = field(default_factory=dict)
    profiles: list[np.ndarray] = field(default_factory=list)
    count: int = 0
    levels: np.ndarray | float = 0.0
    power: np.ndarray | float = 0.0
    face: np.ndarray | float = 0.0

    def add(self, look: ImageStatistics) -> None:
        self.count += 1
        for mine, theirs in ((self.traits, look.traits), (self.before, look.before)):
            for name, value in theirs.items():
                mine.setdefault(name, []).append(value)
        self.profiles.append(compute_radial_profile(look.power))
        for name in ("levels", "power", "face"):
            setattr(self, name, getattr(self, name) + getattr(look, name))

    def mean(self, name: str) -> np.ndarray:
        return getattr(self, name) / self.count


def measure_class_statistics(folder: Path, records: Sequence[FaceRecord]) -> ClassStatistics:
    looks = ClassStatistics()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(records), 32):
            for look in pool.map(
                lambda record: measure_image_statistics(folder, record), records[start : start + 32]
            ):
                looks.add(look)
    return looks


def measure_image_statistics(folder: Path, record: FaceRecord) -> ImageStatistics:
    square = read_canonical_image(folder, record)
    grey = np.asarray(square.convert("L"), dtype=np.float32)
    traits = {
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
    small = np.asarray(
        square.resize((THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX), Image.Resampling.LANCZOS),
        dtype=np.float64,
    )
    return ImageStatistics(
        traits,
        _measure_texture(original),
        levels,
        compute_power_spectrum(_crop_grey_centre(square)),
        small,
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
    middle; a Hann window hides the edges."""
    window = np.outer(np.hanning(len(grey)), np.hanning(len(grey))).astype(np.float32)
    power = np.abs(np.fft.fft2((grey - grey.mean()) * window)) ** 2 / np.sum(window**2)
    return 10 * np.log10(np.fft.fftshift(power) + 1e-3)


def compute_radial_profile(power: np.ndarray) -> np.ndarray:
    """Return the mean of a spectrum over rings of equal frequency, from 0 to Nyquist; shape
    (side / 4,)."""
    side = len(power)
    frequency = np.fft.fftshift(np.fft.fftfreq(side))
    ring = (np.hypot(frequency[:, None], frequency[None, :]) * side / 2).astype(int)
    inside = ring < side // 4
    return np.bincount(ring[inside], power[inside]) / np.bincount(ring[inside])
