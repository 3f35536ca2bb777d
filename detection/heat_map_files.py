"""PHOTO.heatmap.png: the picture as it was judged, and what spoke for which verdict, as the coarse grid that it is."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from data_collection import console, manifest
from data_collection.face_images import Face
from detection.found_images import HEAT_MAP
from detection.predictor import Detection, Detector
from validation import pictures
from validation.explainer import Explainer

SIDE, MARGIN, LINE = 448, 12, 20

LEGEND = "orange spoke for generated, blue for real, the stronger the more; not where something was changed"


def explained(detector: Detector, explainer: Explainer, paths: Iterable[Path]) -> Iterator[Detection]:
    """Judges files in order and writes a heat map beside every one that could be."""
    for path in paths:
        picture = detector.read(path)
        (found,) = detector.judged([picture])
        if found.error:
            yield found
            continue
        maps = explainer.look(picture.pixels[None]).maps
        words = f"{found.verdict}, probability of generated {found.probability:.3f}, says {detector.card.name}"
        try:
            _write(path.with_name(path.name + HEAT_MAP), sheet(picture.face, maps[0], words))
        except OSError as error:
            console.warn(f"{path} has a verdict and no heat map: {error.strerror}.")
        yield found


def _write(path: Path, picture: bytes) -> None:
    if path.exists() and not path.read_bytes().startswith(b"\x89PNG"):
        raise console.PlainError(f"{path} is there and is no heat map; move it away.")
    manifest.write_whole(path, picture)


def sheet(face: Face, cells: np.ndarray, words: str) -> bytes:
    """PNG of the square that was judged, the same under its map (grid, grid), and two lines of words."""
    square = face.square.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    page = Image.new("RGB", (2 * SIDE + 3 * MARGIN, SIDE + 3 * MARGIN + 2 * LINE), "white")
    page.paste(square, (MARGIN, MARGIN))
    page.paste(pictures.under_map(square, cells), (SIDE + 2 * MARGIN, MARGIN))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(15)
    for number, line in enumerate((words, LEGEND)):
        draw.text((MARGIN, SIDE + 2 * MARGIN + number * LINE), console.shown(line), "black", font)
    buffer = io.BytesIO()
    page.save(buffer, "PNG")
    return buffer.getvalue()
