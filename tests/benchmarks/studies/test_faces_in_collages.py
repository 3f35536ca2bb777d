"""The study of collages counts each face once, where it was pasted."""

from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.studies.faces_in_collages import (
    NOT_FOUND,
    FaceAnswer,
    find_verdict,
    paste_beside_each_other,
    render_rows,
)
from data_collection.dataset.manifest import FaceRecord
from detection.detections import Box, Detection, FaceDetection


def make_record(number: int, label: str) -> FaceRecord:
    return FaceRecord(
        id=str(number), label=label, source="a", file="a.png", status="accepted", group=str(number)
    )


def test_pictures_lie_beside_each_other_unchanged():
    pictures = [Image.new("RGB", (side, side), (side, 0, 0)) for side in (30, 50, 40)]
    row, starts = paste_beside_each_other(pictures, 50)
    assert row.size == (120, 50) and starts == [0, 30, 80]
    for picture, start in zip(pictures, starts, strict=True):
        part = row.crop((start, 0, start + picture.width, picture.height))
        assert np.array_equal(part, picture)


def test_a_face_has_the_verdict_whose_box_lies_in_its_columns():
    faces = tuple(
        FaceDetection(box=Box(left, 5, 20, 20), verdict=verdict)
        for left, verdict in ((60, "generated"), (5, "real"))
    )
    detection = Detection(path=Path("a"), faces=faces)
    starts = (0, 30, 100)
    answers = [find_verdict(detection, start, start + 70) for start in starts]
    assert answers == ["real", "generated", NOT_FOUND]


def test_rows_give_shares_by_class():
    answers = [
        FaceAnswer(make_record(number, "real"), "real" if number % 2 else "can't tell")
        for number in range(20)
    ]
    answers.append(FaceAnswer(make_record(99, "generated"), "generated"))
    photographs, generated = render_rows("here", answers)
    assert photographs[0] == "20 photographs here" and generated[0] == "1 generated here"
    assert photographs[2].startswith("50.0% (") and generated[1].startswith("100.0% (")
