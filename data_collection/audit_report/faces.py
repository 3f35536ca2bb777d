"""Render figures of the faces themselves: a sample and the average of each class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from data_collection.audit_report.image_statistics import THUMBNAIL_SIDE_PX, ClassStatistics
from data_collection.dataset.manifest import FaceRecord, ImageClass
from data_collection.dataset.stored_images import read_canonical_image
from data_collection.images import encode
from runtime import plotting
from runtime.plotting import ReportFigure

FACE_GRID_SHAPE = (8, 4)
"""Rows and columns of faces."""


def render_face_grid(
    folder: Path, label: ImageClass, records: Sequence[FaceRecord]
) -> ReportFigure:
    rows = [
        [
            read_canonical_image(folder, record)
            for record in records[start : start + FACE_GRID_SHAPE[1]]
        ]
        for start in range(0, len(records), FACE_GRID_SHAPE[1])
    ]
    caption = (
        f"{len(records)} {label} faces chosen at random, as the network sees them: same size, "
        "same kind of JPEG."
    )
    return ReportFigure(
        f"faces-{label}",
        f"{label.capitalize()} faces",
        caption,
        encode.encode_png(plotting.compose_image_grid(rows, THUMBNAIL_SIDE_PX)),
    )


def render_average_face(label: ImageClass, statistics: ClassStatistics) -> ReportFigure:
    image = Image.fromarray(statistics.compute_mean("pixels").round().astype(np.uint8)).resize(
        (2 * THUMBNAIL_SIDE_PX,) * 2, Image.Resampling.BICUBIC
    )
    caption = (
        f"Mean of every pixel over {statistics.n_images} {label} images. The clearer the face, the "
        "more alike the framing; a detector can use a difference in framing or background without "
        "looking at any face."
    )
    return ReportFigure(
        f"average-{label}", f"Average of the {label} images", caption, encode.encode_png(image)
    )
