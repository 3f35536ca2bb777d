"""Write PHOTO.heatmap.png: the judged square beside its heat map, shown as a coarse grid, above the
most similar training faces."""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
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
from validation.explanations.similar_faces import SimilarFace

PANEL_SIDE_PX, MARGIN_PX, LINE_HEIGHT_PX, FONT_SIZE_PX = 448, 12, 20, 15
SIMILAR_SIDE_PX, SIMILAR_FONT_SIZE_PX = 140, 12

HEAT_MAP_LEGEND = (
    "orange: evidence for generated, blue: for real; it does not show where an image was edited"
)
NO_HEAT_MAP_TEXT = "no heat map: the detector's did not pass their checks"
SIMILAR_LEGEND = (
    "the most similar training faces, the nearest first: similar in the detector's features, not "
    "in the person shown"
)


def detect_with_heat_maps(
    detector: Detector, explainer: Explainer, images: Iterable[LocatedImage]
) -> Iterator[Detection]:
    """Judge files in order and write beside each judged one what explains the answer; add the most
    similar training faces to the answer."""
    if explainer.no_heat_maps_reason:
        console.print_message(
            f"{explainer.no_heat_maps_reason} Only the most similar training faces are shown."
        )
    for located in images:
        path, image = located.path, detector.read_image(located)
        (detection,) = detector.detect_batch([image])
        if detection.error:
            yield detection
            continue
        worst = detection.most_suspicious
        attribution = explainer.compute_attribution(image.select_pixels(worst)[:1])
        similar = explainer.find_similar(attribution.features[0])
        caption = (
            f"{detection.verdict}, probability of generated {detection.probability:.3f}, "
            f"according to {detector.card.name}"
        )
        cells = None if explainer.no_heat_maps_reason else attribution.maps[0]
        sheet = render_heat_map_sheet(image.cut_out_square(worst), cells, caption, similar)
        try:
            _write_heat_map(path.with_name(path.name + HEAT_MAP_SUFFIX), sheet)
        except OSError as error:
            console.print_warning(
                f"{path} was judged, but its heat map could not be written: {error.strerror}."
            )
        yield replace(detection, similar=tuple(similar))


def _write_heat_map(path: Path, png: bytes) -> None:
    if path.exists() and not path.read_bytes().startswith(b"\x89PNG"):
        raise console.PlainError(f"{path} exists and is not a heat map. Move it away.")
    atomic_files.write_atomically(path, png)


def render_heat_map_sheet(
    face: DecodedFace, cells: np.ndarray | None, caption: str, similar: Sequence[SimilarFace] = ()
) -> bytes:
    """Render a PNG: the judged square, the square under its heat map (grid, grid) or, without one,
    a sentence, a caption, and below them the similar faces whose pictures still exist."""
    width, height = 2 * PANEL_SIDE_PX + 3 * MARGIN_PX, PANEL_SIDE_PX + 3 * MARGIN_PX
    square = face.square.resize((PANEL_SIDE_PX, PANEL_SIDE_PX), Image.Resampling.LANCZOS)
    page = Image.new("RGB", (width, height + 2 * LINE_HEIGHT_PX), "white")
    page.paste(square, (MARGIN_PX, MARGIN_PX))
    at = (PANEL_SIDE_PX + 2 * MARGIN_PX, MARGIN_PX)
    lines = [caption]
    if cells is None:
        _draw_line(page, NO_HEAT_MAP_TEXT, at)
    else:
        page.paste(image_panels.overlay_heat_map(square, cells), at)
        lines.append(HEAT_MAP_LEGEND)
    for number, line in enumerate(lines):
        _draw_line(page, line, (MARGIN_PX, height - MARGIN_PX + number * LINE_HEIGHT_PX))
    buffer = io.BytesIO()
    _append_similar_faces(page, similar).save(buffer, "PNG")
    return buffer.getvalue()


def _append_similar_faces(page: Image.Image, similar: Sequence[SimilarFace]) -> Image.Image:
    """Return the page with a row of the faces below it; the page itself without any."""
    shown = [
        (face, thumbnail)
        for face in similar
        if (thumbnail := face.draw_thumbnail(SIMILAR_SIDE_PX)) is not None
    ]
    if not shown:
        return page
    top = page.height + LINE_HEIGHT_PX
    longer = Image.new("RGB", (page.width, top + SIMILAR_SIDE_PX + 2 * LINE_HEIGHT_PX), "white")
    longer.paste(page, (0, 0))
    _draw_line(longer, SIMILAR_LEGEND, (MARGIN_PX, page.height - MARGIN_PX // 2))
    for number, (face, thumbnail) in enumerate(shown):
        left = MARGIN_PX + number * (SIMILAR_SIDE_PX + MARGIN_PX)
        longer.paste(thumbnail, (left, top))
        _draw_line(
            longer, _shorten(face.describe()), (left, top + SIMILAR_SIDE_PX), SIMILAR_FONT_SIZE_PX
        )
    return longer


def _shorten(words: str, length: int = 22) -> str:
    return words if len(words) <= length else f"{words[: length - 1]}…"


def _draw_line(
    page: Image.Image, line: str, at: tuple[int, int], font_size: int = FONT_SIZE_PX
) -> None:
    font = ImageFont.load_default(font_size)
    ImageDraw.Draw(page).text(at, console.sanitise_text(line), "black", font)
