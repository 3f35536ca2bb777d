"""The pictures that an exported file is checked on: the detector's validation pictures if they are
there, else shapes."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from data_collection.dataset import manifest
from data_collection.images import decode
from runtime import console
from training.detectors.card import Card
from training.features import pixels as feature_pixels

REFERENCE_IMAGE_COUNT = 64


@dataclass(frozen=True)
class ReferenceImages:
    """What a file is checked on, uint8 (COUNT, side, side, 3), and in words where that is from."""

    pixels: np.ndarray
    origin: str


def load_reference_images(card: Card) -> ReferenceImages:
    """Validation pictures of the data set that the detector was trained on; what is missing of them
    is made of shapes."""
    folder, side = Path(card.dataset.get("folder") or "no-data-set"), card.image_size
    found = list(islice(_iterate_validation_images(folder, side), REFERENCE_IMAGE_COUNT))
    made = [render_shapes(number, side) for number in range(REFERENCE_IMAGE_COUNT - len(found))]
    words = [f"{len(found)} validation pictures of the data set {folder.name}"] if found else []
    words += [f"{len(made)} pictures made of noise and shapes"] if made else []
    return ReferenceImages(np.stack([*found, *made]), " and ".join(words))


def _iterate_validation_images(folder: Path, side: int) -> Iterator[np.ndarray]:
    with contextlib.suppress(console.PlainError, OSError):  # no data set, or one that is damaged
        for record in manifest.select_accepted(manifest.read_manifest(folder), "validation"):
            with contextlib.suppress(console.PlainError, OSError, decode.UnreadableImage):
                yield feature_pixels.load_canonical_view(folder, record, side, 0)


def render_shapes(number: int, side: int) -> np.ndarray:
    """Noise, stripes and ovals, the same for the same number; uint8, (side, side, 3)."""
    draw = np.random.default_rng(number)
    picture = Image.fromarray(draw.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize(
        (side, side), Image.Resampling.BICUBIC
    )
    pen = ImageDraw.Draw(picture)
    for _ in range(number % 5):
        (left, right), (top, bottom) = np.sort(draw.uniform(0, side, (2, 2)))
        pen.ellipse((left, top, right, bottom), fill=tuple(draw.integers(0, 256, 3).tolist()))
    grain = draw.normal(0, 4 * (number % 8), (side, side, 1 + 2 * (number % 2)))
    stripes = 30 * (number % 3) * np.sin(np.arange(side) / (1 + number % 6))[:, None, None]
    return (np.asarray(picture) + grain + stripes).clip(0, 255).astype(np.uint8)
