"""Pictures of drawn faces, and what is inside a page of evidence."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from detection.evidence.page import RECORD_END, RECORD_START
from toys.face_detector import BACKGROUND_RGB, draw_schematic_face

MODEL = Path("telltale-faces")
SINGLE, GROUP = [(200, 240, 110)], [(150, 220, 100), (430, 200, 80), (680, 240, 90)]


def draw(*faces: tuple[float, float, float]) -> Image.Image:
    """Draw faces (x, y, size) on grainy paper."""
    size = (820 if len(faces) > 1 else 400, 500)
    picture = Image.new("RGB", size, BACKGROUND_RGB)
    for face in faces:
        picture = draw_schematic_face(picture, *face)
    grain = np.random.default_rng(0).normal(0, 4, (*size[::-1], 1))
    return Image.fromarray((np.asarray(picture) + grain).clip(0, 255).astype(np.uint8))


def read_content(page: Path) -> dict:
    """Return the JSON inside a page."""
    return json.loads(split_page(page)[1])


def split_page(page: Path) -> tuple[str, str]:
    """Return what a page shows, and its JSON."""
    shown, _, rest = page.read_text(encoding="utf-8").partition(RECORD_START)
    return shown, rest.partition(RECORD_END)[0]
