"""Single images for the report: as the detector sees them, and with their heat maps as the coarse
grids that they are."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor

from data_collection.dataset.manifest import LABELS, FaceRecord
from runtime.plotting import CLASS_COLOURS
from validation.explanations.heat_maps import load_canonical_pixels
from validation.metrics.scored_images import ScoredImages
from validation.predictions import Scorer

MOST_WRONG_PER_CLASS = 12
PANEL_SIDE_PX = 144
MAX_HEAT_MAP_OPACITY = 0.65
"""Opacity of the strongest cell of a map."""


@dataclass(frozen=True)
class ImagePanel:
    """One image of the report.

    Attributes:
        wrong: whether the detector's call is wrong.
        jpeg: as the detector sees it.
        map: the same with the heat map over it; empty without one.
    """

    label: str
    source: str
    file: str
    probability: float
    verdict: str
    wrong: bool
    jpeg: bytes
    map: bytes = b""


def find_most_wrong(scored: ScoredImages) -> dict[str, np.ndarray]:
    """Indices of the WORST images of each class, the worst first: photographs that look most
    generated, and the reverse."""
    found = {}
    for number, label in enumerate(LABELS):
        mine = np.flatnonzero(scored.labels == number)
        towards = scored.probabilities[mine] * (1 if number == 0 else -1)
        found[label] = mine[np.argsort(-towards, kind="stable")][:MOST_WRONG_PER_CLASS]
    return {label: mine for label, mine in found.items() if len(mine)}


def build_image_panels(
    folder: Path,
    records: Sequence[FaceRecord],
    scored: ScoredImages,
    index: np.ndarray,
    scorer: Scorer,
    maps: dict[str, np.ndarray],
) -> list[ImagePanel]:
    """The images at an index.

    Args:
        maps: by record id; those without one are shown without.
    """
    found = []
    for place in index.tolist():
        record, probability = records[place], float(scored.probabilities[place])
        picture = Image.fromarray(load_canonical_pixels(folder, [record], scorer)[0]).resize(
            (PANEL_SIDE_PX, PANEL_SIDE_PX), Image.Resampling.LANCZOS
        )
        covered = (
            encode_panel_jpeg(overlay_heat_map(picture, maps[record.id]))
            if record.id in maps
            else b""
        )
        verdict, wrong = scorer.calibration.decide(probability), not scored.correct[place]
        found.append(
            ImagePanel(
                record.label,
                record.source,
                record.file,
                probability,
                verdict,
                bool(wrong),
                encode_panel_jpeg(picture),
                covered,
            )
        )
    return found


def overlay_heat_map(picture: Image.Image, cells: np.ndarray) -> Image.Image:
    """The picture in grey under cells that are orange where they speak for *generated* and blue
    where for *real*."""
    strength = cells / max(float(np.abs(cells).max()), 1e-9)
    colours = np.array(
        [ImageColor.getrgb(CLASS_COLOURS[label]) for label in ("real", "generated")], dtype=np.uint8
    )
    ink = Image.fromarray(colours[(strength > 0).astype(int)]).resize(
        picture.size, Image.Resampling.NEAREST
    )
    opaque = Image.fromarray(
        (255 * MAX_HEAT_MAP_OPACITY * np.abs(strength)).astype(np.uint8)
    ).resize(picture.size, Image.Resampling.NEAREST)
    return Image.composite(ink, picture.convert("L").convert("RGB"), opaque)


def encode_panel_jpeg(picture: Image.Image) -> bytes:
    """Encodes a picture that people look at."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
