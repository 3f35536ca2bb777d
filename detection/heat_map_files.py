"""Write PHOTO.heatmap.png: the judged square beside its heat map, shown as a coarse grid."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from data_collection.images.decode import DecodedFace
from data_collection.sources.local_folder import HEAT_MAP_SUFFIX
from detection.detections import Detection
from detection.image_paths import LocatedImage
from detection.predictor import Detector
from runtime import atomic_files, console
from validation.explanations import image_panels
from validation.explanations.explainer import Explainer

PANEL_SIDE_PX, MARGIN_PX, LINE_HEIGHT_PX = 448, 12, 20

HEAT_MAP_LEGEND = (
    "orange: evidence for generated, blue: for real; it does not show where an image was edited"
)


def detect_with_heat_maps(
    detector: Detector, explainer: Explainer, images: Iterable[LocatedImage]
) -> Iterator[Detection]:
    """Judge files in order and write a heat map beside each judged one."""
    for located in images:
        path, image = located.path, detector.read_image(located)
        (detection,) = detector.detect_batch([image])
        if detection.error:
            yield detection
            continue
        worst = detection.most_suspicious
        face = image.cut_out_square(worst)
        maps = explainer.compute_attribution(image.select_pixels(worst)[:1]).maps
        caption = (
            f"{detection.verdict}, probability of generated {detection.probability:.3f}, "
            f"according to {detector.card.name}"
        )
        try:
            _write_heat_map(
                path.with_name(path.name + HEAT_MAP_SUFFIX),
                render_heat_map_sheet(face, maps[0], caption),
            )
        except OSError as error:
            console.print_warning(
                f"{path} was judged, but its heat map could not be written: {error.strerror}."
            )
        yield detection


def _write_heat_map(path: Path, png: bytes) -> None:
    if path.exists() and not path.read_bytes().startswith(b"\x89PNG"):
        raise console.PlainError(f"{path} exists and is not a heat map. Move it away.")
    atomic_files.write_atomically(path, png)


def render_heat_map_sheet(face: DecodedFace, cells: np.ndarray, caption: str) -> bytes:
    """Render a PNG: the judged square, the square under its heat map (grid, grid), and a
    caption."""
    square = face.square.resize((PANEL_SIDE_PX, PANEL_SIDE_PX), Image.Resampling.LANCZOS)
    page = Image.new(
        "RGB",
        (2 * PANEL_SIDE_PX + 3 * MARGIN_PX, PANEL_SIDE_PX + 3 * MARGIN_PX + 2 * LINE_HEIGHT_PX),
        "white",
    )
    page.paste(square, (MARGIN_PX, MARGIN_PX))
    page.paste(
        image_panels.overlay_heat_map(square, cells), (PANEL_SIDE_PX + 2 * MARGIN_PX, MARGIN_PX)
    )
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(15)
    for number, line in enumerate((caption, HEAT_MAP_LEGEND)):
        draw.text(
            (MARGIN_PX, PANEL_SIDE_PX + 2 * MARGIN_PX + number * LINE_HEIGHT_PX),
            console.sanitise_text(line),
            "black",
            font,
        )
    buffer = io.BytesIO()
    page.save(buffer, "PNG")
    return buffer.getvalue()
