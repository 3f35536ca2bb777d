"""Figures of the faces themselves: some of each class, and the average of each."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from data_collection import figures
from data_collection.data_looks import FACE_SIDE, Looks, canonical
from data_collection.figures import Picture
from data_collection.manifest import FaceRecord

GRID = (8, 4)
"""Rows and columns of faces."""


def faces(folder: Path, label: str, records: Sequence[FaceRecord]) -> Picture:
    rows = [
        [canonical(folder, record) for record in records[start : start + GRID[1]]] for start in range(0, len(records), GRID[1])
    ]
    caption = f"{len(records)} {label} faces drawn at random, as the network sees them: same size, same kind of JPEG."
    return Picture(f"faces-{label}", f"{label.capitalize()} faces", caption, figures.png(figures.mosaic(rows, FACE_SIDE)))


def average_face(label: str, looks: Looks) -> Picture:
    image = Image.fromarray(looks.mean("face").round().astype(np.uint8)).resize((2 * FACE_SIDE,) * 2, Image.Resampling.BICUBIC)
    caption = (
        f"Pixel by pixel mean of {looks.count} {label} pictures. The clearer the face, the more alike the framing; a detector "
        "can use a difference in framing or background without looking at any face."
    )
    return Picture(f"average-{label}", f"Average of the {label} pictures", caption, figures.png(image))
