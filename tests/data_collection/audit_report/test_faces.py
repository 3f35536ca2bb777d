"""Each class is shown by its own faces."""

import io

import numpy as np
from PIL import Image

from data_collection.audit_report import faces, figures, image_statistics
from data_collection.dataset import manifest, stored_images
from toys.face_records import write_toy_records


def test_both_classes_have_a_grid_of_their_own_faces(tmp_path):
    records = write_toy_records(tmp_path, 48)
    step = image_statistics.THUMBNAIL_SIDE_PX + 4
    for label in manifest.LABELS:
        shown = [
            r for r in manifest.select_accepted(records, "train", "validation") if r.label == label
        ]
        figure = faces.render_face_grid(tmp_path, label, figures.sample_records(shown, 32, 0))
        grid = Image.open(io.BytesIO(figure.png)).convert("RGB")
        assert figure.name == f"faces-{label}" and grid.size == (4 * step - 4, 8 * step - 4)
        size = (image_statistics.THUMBNAIL_SIDE_PX,) * 2
        thumbnails = [
            np.asarray(
                stored_images.read_canonical_image(tmp_path, r).resize(
                    size, Image.Resampling.LANCZOS
                )
            )
            for r in shown
        ]
        cell = np.asarray(grid)[step : step + size[0], step : step + size[0]]
        assert any(np.array_equal(cell, thumbnail) for thumbnail in thumbnails)
