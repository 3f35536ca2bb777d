"""The study of wrappings: every way makes another file of the same pixels, and a change counts."""

from pathlib import Path

import pytest
from PIL import Image

from benchmarks.studies import rewrapped_files
from benchmarks.studies.rewrapped_files import WAYS, Tally, compare_wrappings
from data_collection.images import decode
from detection.detections import Detection
from toys.images import encode_image, make_image

ORIENTED_BY_EXIF = Image.Exif()
ORIENTED_BY_EXIF[rewrapped_files.ORIENTATION_TAG] = 1
FILES = {
    "JPEG": encode_image(make_image(1), "JPEG", quality=92, exif=ORIENTED_BY_EXIF, comment=b"c"),
    "PNG": encode_image(make_image(2), "PNG", exif=ORIENTED_BY_EXIF),
}


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
@pytest.mark.parametrize("name", WAYS)
def test_every_way_makes_another_file_of_the_same_pixels(name, data):
    wrapped = WAYS[name](data)
    assert wrapped != data
    pixels = [decode.decode_face(file).square.tobytes() for file in (data, wrapped)]
    assert pixels[0] == pixels[1]


def test_an_answer_that_follows_the_bytes_is_counted():
    def judge(data: bytes) -> Detection:
        is_longer = len(data) > len(FILES["JPEG"])
        return Detection(
            path=Path("picture"),
            verdict="generated" if is_longer else "real",
            probability=0.9 if is_longer else 0.2,
        )

    tallies = {name: Tally() for name in WAYS}
    compare_wrappings(FILES["JPEG"], judge, tallies)
    assert (tallies["bytes appended"].changed, tallies["metadata removed"].changed) == (1, 0)
    assert tallies["bytes appended"].difference == pytest.approx(0.7)


def test_a_file_of_other_pixels_is_left_out(monkeypatch):
    monkeypatch.setitem(WAYS, "comment added", lambda data: FILES["PNG"])
    tallies = {name: Tally() for name in WAYS}
    compare_wrappings(FILES["JPEG"], lambda data: Detection(path=Path("picture")), tallies)
    assert (tallies["comment added"].files, tallies["comment added"].other_pixels) == (0, 1)
    assert (tallies["BMP"].files, tallies["BMP"].other_pixels) == (1, 0)
