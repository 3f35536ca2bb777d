"""Load the images of the check: the detector's validation images if available, else shapes."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from data_collection.dataset import manifest
from data_collection.images import errors
from runtime import console
from training.detectors.card import Card
from training.features import pixels as feature_pixels

REFERENCE_IMAGE_COUNT = 64


@dataclass(frozen=True)
class ReferenceImages:
    """Pixels of the check, uint8 (REFERENCE_IMAGE_COUNT, side, side, 3), and where they are
    from."""

    pixels: np.ndarray
    origin: str


def load_reference_images(card: Card) -> ReferenceImages:
    """Load validation images of the detector's data set; missing ones are replaced by shapes."""
    folder, side = Path(card.dataset.folder or "no-data-set"), card.image_size
    images = list(islice(_iterate_validation_images(folder, side), REFERENCE_IMAGE_COUNT))
    shapes = [render_shapes(number, side) for number in range(REFERENCE_IMAGE_COUNT - len(images))]
    parts = [f"{len(images)} validation images of the data set {folder.name}"] if images else []
    parts += [f"{len(shapes)} images made of noise and shapes"] if shapes else []
    return ReferenceImages(np.stack([*images, *shapes]), " and ".join(parts))


def _iterate_validation_images(folder: Path, side: int) -> Iterator[np.ndarray]:
    with contextlib.suppress(console.PlainError, OSError):  # a missing or damaged data set
        for record in manifest.select_accepted(manifest.read_manifest(folder), "validation"):
            with contextlib.suppress(console.PlainError, OSError, errors.UnreadableImage):
                yield feature_pixels.load_canonical_view(folder, record, side, 0)


def render_shapes(number: int, side: int) -> np.ndarray:
    """Render noise, stripes and ovals, deterministic in `number`; uint8, (side, side, 3)."""
    rng = np.random.default_rng(number)
    image = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize(
        (side, side), Image.Resampling.BICUBIC
    )
    drawing = ImageDraw.Draw(image)
    for _ in range(number % 5):
        (left, right), (top, bottom) = np.sort(rng.uniform(0, side, (2, 2)))
        drawing.ellipse((left, top, right, bottom), fill=tuple(rng.integers(0, 256, 3).tolist()))
    grain = rng.normal(0, 4 * (number % 8), (side, side, 1 + 2 * (number % 2)))
    stripes = 30 * (number % 3) * np.sin(np.arange(side) / (1 + number % 6))[:, None, None]
    return (np.asarray(image) + grain + stripes).clip(0, 255).astype(np.uint8)
