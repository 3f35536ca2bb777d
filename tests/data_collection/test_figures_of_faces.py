"""Each class is shown by its own faces."""

import io

import numpy as np
from PIL import Image

from data_collection import data_looks, data_pictures, figures_of_faces, manifest
from toy_records import faces


def test_both_classes_have_a_grid_of_their_own_faces(tmp_path):
    records = faces(tmp_path, 48)
    step = data_looks.FACE_SIDE + 4
    for label in manifest.LABELS:
        shown = [r for r in manifest.accepted(records, "train", "validation") if r.label == label]
        figure = figures_of_faces.faces(tmp_path, label, data_pictures.sample(shown, 32, 0))
        grid = Image.open(io.BytesIO(figure.png)).convert("RGB")
        assert figure.name == f"faces-{label}" and grid.size == (4 * step - 4, 8 * step - 4)
        size = (data_looks.FACE_SIDE,) * 2
        known = [np.asarray(data_looks.canonical(tmp_path, r).resize(size, Image.Resampling.LANCZOS)) for r in shown]
        cell = np.asarray(grid)[step : step + size[0], step : step + size[0]]
        assert any(np.array_equal(cell, one) for one in known)
