"""Measures pictures and adds up what was measured, class by class."""

import concurrent.futures
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from data_collection import console, face_images, manifest
from data_collection.manifest import FaceRecord

LOOKED_AT = ("train", "validation")
"""Splits that are shown and measured; no file of the hold-out is opened."""

FACE_SIDE = 112
WINDOW = 256
"""Side of the centre that detail and spectrum are measured on, in pixels."""


@dataclass(frozen=True)
class Look:
    """Measurements of one image.

    Attributes:
        traits: of the canonical picture, by the names of figures_of_traits.TRAITS.
        before: of the original, by the names of figures_of_traits.FROM_ORIGINALS.
        levels: shares of 64 levels of R, G and B; shape (3, 64).
        power: spectrum of the centre's grey levels in dB, frequency zero in the middle; shape (side, side).
        face: the canonical picture, shape (FACE_SIDE, FACE_SIDE, 3).
    """

    traits: dict[str, float]
    before: dict[str, float]
    levels: np.ndarray
    power: np.ndarray
    face: np.ndarray


@dataclass
class Looks:
    """All looks at one class, added up as they come, so that memory does not grow with their number."""

    traits: dict[str, list[float]] = field(default_factory=dict)
    before: dict[str, list[float]] = field(default_factory=dict)
    profiles: list[np.ndarray] = field(default_factory=list)
    count: int = 0
    levels: np.ndarray | float = 0.0
    power: np.ndarray | float = 0.0
    face: np.ndarray | float = 0.0

    def add(self, look: Look) -> None:
        self.count += 1
        for mine, theirs in ((self.traits, look.traits), (self.before, look.before)):
            for name, value in theirs.items():
                mine.setdefault(name, []).append(value)
        self.profiles.append(profile(look.power))
        for name in ("levels", "power", "face"):
            setattr(self, name, getattr(self, name) + getattr(look, name))

    def mean(self, name: str) -> np.ndarray:
        return getattr(self, name) / self.count


def look_at(folder: Path, records: Sequence[FaceRecord]) -> Looks:
    looks = Looks()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(records), 32):
            for look in pool.map(lambda record: look_at_one(folder, record), records[start : start + 32]):
                looks.add(look)
    return looks


def look_at_one(folder: Path, record: FaceRecord) -> Look:
    square = canonical(folder, record)
    grey = np.asarray(square.convert("L"), dtype=np.float32)
    traits = {
        "brightness": float(grey.mean()),
        "contrast": float(grey.std()),
        "saturation": float(np.asarray(square.convert("HSV").getchannel("S")).mean()) / 255,
        **_texture(square),
    }
    levels = np.stack([np.bincount(np.asarray(band).ravel() // 4, minlength=64) for band in square.split()]) / grey.size
    original = face_images.decode(manifest.read_original(folder, record), record.crop).square
    small = np.asarray(square.resize((FACE_SIDE, FACE_SIDE), Image.Resampling.LANCZOS), dtype=np.float64)
    return Look(traits, _texture(original), levels, spectrum(_centre(square)), small)


def canonical(folder: Path, record: FaceRecord) -> Image.Image:
    """The canonical picture of a row.

    Raises:
        PlainError: it is missing or damaged.
    """
    try:
        with Image.open(folder / record.image, formats=("JPEG",)) as image:
            return image.convert("RGB")
    except OSError:
        sentence = f"{folder / record.image} is missing or damaged; restore it, or collect the data set again."
        raise console.PlainError(sentence, console.DISK) from None


def _texture(square: Image.Image) -> dict[str, float]:
    return {"sharpness": laplacian_variance(_centre(square)), "detail": face_images.detail_power(square)}


def _centre(square: Image.Image) -> np.ndarray:
    side = min(WINDOW, square.width)
    corner = (square.width - side) // 2
    return np.asarray(square.crop((corner, corner, corner + side, corner + side)).convert("L"), dtype=np.float32)


def laplacian_variance(grey: np.ndarray) -> float:
    """Variance of the four-neighbour Laplacian, in squared grey levels."""
    inner = grey[1:-1, 1:-1]
    return float((grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner).var())


def spectrum(grey: np.ndarray) -> np.ndarray:
    """Power of every frequency in dB of a squared grey level, frequency zero in the middle; a Hann window hides the edges."""
    window = np.outer(np.hanning(len(grey)), np.hanning(len(grey))).astype(np.float32)
    power = np.abs(np.fft.fft2((grey - grey.mean()) * window)) ** 2 / np.sum(window**2)
    return 10 * np.log10(np.fft.fftshift(power) + 1e-3)


def profile(power: np.ndarray) -> np.ndarray:
    """Mean of a spectrum over rings of equal frequency, from 0 to Nyquist; shape (side / 4,)."""
    side = len(power)
    frequency = np.fft.fftshift(np.fft.fftfreq(side))
    ring = (np.hypot(frequency[:, None], frequency[None, :]) * side / 2).astype(int)
    inside = ring < side // 4
    return np.bincount(ring[inside], power[inside]) / np.bincount(ring[inside])
