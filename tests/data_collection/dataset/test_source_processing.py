"""The usual processing of a source is estimated and applied to the images of another."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from data_collection.dataset import source_processing
from data_collection.dataset.manifest import FaceRecord
from data_collection.dataset.source_processing import SourceProcessing
from data_collection.images import decode
from toys.images import encode_image, make_image


def record(width: int, height: int, quality: int | None) -> FaceRecord:
    return FaceRecord(
        id="id",
        label="real",
        source="source",
        file="file",
        status="accepted",
        width=width,
        height=height,
        quality=quality,
    )


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (
            [record(600, 800, 94), record(600, 600, 94), record(300, 400, 80)],
            SourceProcessing(600, 94),
        ),
        ([record(512, 512, None)] * 3 + [record(900, 900, 75)], SourceProcessing(512, None)),
        ([record(1024, 1024, 75)], SourceProcessing(1024, 75)),
    ],
)
def test_most_of_a_sources_files_decide(records, expected):
    assert source_processing.estimate_source_processing(records) == expected


def test_a_larger_picture_is_shrunk_by_as_much_as_its_file_would_be():
    # A square of 300 in an image of 300 by 400.
    wide = decode.decode_face(encode_image(make_image(1, 400).crop((0, 0, 400, 300))))
    assert SourceProcessing(150, None).apply(wide).square.width == 150
    crop = wide.square.crop((0, 0, 100, 100))  # a face cut out of it
    assert (
        SourceProcessing(150, None).apply(dataclasses.replace(wide, square=crop)).square.width == 50
    )


def test_a_smaller_picture_is_never_enlarged():
    face = decode.decode_face(encode_image(make_image(1, 200)))
    assert np.array_equal(
        np.asarray(SourceProcessing(1024, None).apply(face).square), np.asarray(face.square)
    )


def test_the_jpeg_is_one_of_that_quality():
    face = decode.decode_face(encode_image(make_image(1, 200)))
    processed = SourceProcessing(1024, 75).apply(face).square
    buffer = io.BytesIO()
    face.square.save(buffer, "JPEG", quality=75, subsampling="4:2:0")
    assert np.array_equal(np.asarray(processed), np.asarray(Image.open(buffer)))
    assert SourceProcessing(1024, 75).name == "1024 px, JPEG 75"
