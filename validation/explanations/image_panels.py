"""Single images for the report: as the detector sees them, and under heat maps shown as grids."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor

from data_collection.dataset.manifest import LABELS, FaceRecord, ImageClass
from runtime.plotting import CLASS_COLOURS
from training.cuts.verdicts import Verdict
from validation.data.evaluation_set import EvaluationSet
from validation.explanations.heat_maps import load_canonical_pixels
from validation.explanations.similar_faces import SimilarFace
from validation.metrics.scored_images import ScoredImages
from validation.predictions import Scorer

MOST_WRONG_PER_CLASS = 12
PANEL_SIDE_PX, SIMILAR_SIDE_PX = 144, 64
SIMILAR_FACES_PER_PANEL = 3
MAX_HEAT_MAP_OPACITY = 0.65
"""Opacity of the strongest cell of a map."""


@dataclass(frozen=True, kw_only=True)
class ImageExplanations:
    """Explanations of single images, by record id.

    Attributes:
        maps: heat maps (HEAT_MAP_GRID_SIDE, HEAT_MAP_GRID_SIDE), if they passed their checks.
        similar: the most similar training faces, the nearest first.
    """

    maps: dict[str, np.ndarray] = field(default_factory=dict)
    similar: dict[str, list[SimilarFace]] = field(default_factory=dict)


@dataclass(frozen=True)
class SimilarPanel:
    """A similar training face in the report, with its picture."""

    face: SimilarFace
    jpeg: bytes


@dataclass(frozen=True, kw_only=True)
class ImagePanel:
    """One image of the report.

    Attributes:
        id: of its row.
        wrong: whether it is on the wrong side of the threshold.
        jpeg: the image as the detector sees it.
        heat_map_jpeg: the same image under its heat map; empty without one.
        similar: the most similar training faces whose pictures still exist.
    """

    id: str
    label: ImageClass
    source: str
    file: str
    probability: float
    verdict: Verdict
    wrong: bool
    jpeg: bytes
    heat_map_jpeg: bytes = b""
    similar: tuple[SimilarPanel, ...] = ()


def find_most_wrong(scored: ScoredImages) -> dict[str, np.ndarray]:
    """Return the indices of MOST_WRONG_PER_CLASS images of each class, the worst first:
    photographs that look most generated, and the reverse."""
    most_wrong = {}
    for number, label in enumerate(LABELS):
        indices = np.flatnonzero(scored.labels == number)
        errors = scored.probabilities[indices] * (1 if number == 0 else -1)
        most_wrong[label] = indices[np.argsort(-errors, kind="stable")][:MOST_WRONG_PER_CLASS]
    return {label: indices for label, indices in most_wrong.items() if len(indices)}


def build_most_wrong_panels(
    data: EvaluationSet,
    scored: ScoredImages,
    scorer: Scorer,
    explanations: ImageExplanations,
    pictures: bool = True,
) -> dict[ImageClass, list[ImagePanel]]:
    """Build the panels of the most wrong images of each class; none without pictures."""
    most_wrong = find_most_wrong(scored) if pictures else {}
    return {
        label: build_image_panels(data.folder, data.records, scored, indices, scorer, explanations)
        for label, indices in most_wrong.items()
    }


def build_image_panels(
    folder: Path,
    records: Sequence[FaceRecord],
    scored: ScoredImages,
    indices: np.ndarray,
    scorer: Scorer,
    explanations: ImageExplanations,
) -> list[ImagePanel]:
    """Build the panels of the records at these indices; an image that `explanations` does not name
    is shown without any."""
    maps, panels = explanations.maps, []
    for index in indices.tolist():
        record, probability = records[index], float(scored.probabilities[index])
        picture = Image.fromarray(load_canonical_pixels(folder, [record], scorer)[0]).resize(
            (PANEL_SIDE_PX, PANEL_SIDE_PX), Image.Resampling.LANCZOS
        )
        heat_map_jpeg = (
            encode_panel_jpeg(overlay_heat_map(picture, maps[record.id]))
            if record.id in maps
            else b""
        )
        panels.append(
            ImagePanel(
                id=record.id,
                label=record.label,
                source=record.source,
                file=record.file,
                probability=probability,
                verdict=str(scored.answers[index]),
                wrong=bool(not scored.correct[index]),
                jpeg=encode_panel_jpeg(picture),
                heat_map_jpeg=heat_map_jpeg,
                similar=tuple(_draw_similar_faces(explanations.similar.get(record.id, []))),
            )
        )
    return panels


def _draw_similar_faces(faces: Sequence[SimilarFace]) -> Iterator[SimilarPanel]:
    for face in faces[:SIMILAR_FACES_PER_PANEL]:
        if thumbnail := face.draw_thumbnail(SIMILAR_SIDE_PX):
            yield SimilarPanel(face, encode_panel_jpeg(thumbnail))


def overlay_heat_map(picture: Image.Image, cells: np.ndarray) -> Image.Image:
    """Return the picture in grey, under orange cells that raise the score of *generated* and blue
    ones that lower it."""
    strength = cells / max(float(np.abs(cells).max()), 1e-9)
    colours = np.array(
        [ImageColor.getrgb(CLASS_COLOURS[label]) for label in ("real", "generated")], dtype=np.uint8
    )
    overlay = Image.fromarray(colours[(strength > 0).astype(int)]).resize(
        picture.size, Image.Resampling.NEAREST
    )
    opacity = Image.fromarray(
        (255 * MAX_HEAT_MAP_OPACITY * np.abs(strength)).astype(np.uint8)
    ).resize(picture.size, Image.Resampling.NEAREST)
    return Image.composite(overlay, picture.convert("L").convert("RGB"), opacity)


def encode_panel_jpeg(picture: Image.Image) -> bytes:
    """Encode a picture for people to look at."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
