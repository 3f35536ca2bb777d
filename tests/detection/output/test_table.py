"""The table of verdicts fits a terminal: verdict first, short paths, counts below."""

from collections import Counter
from pathlib import Path

import pytest

from detection.detections import Detection
from detection.image_paths import ImageListing, LocatedImage, list_images
from detection.output import summary, table
from detection.output.progress import MAX_TABLE_ROWS
from detection.predictor import Detector
from training.detectors import ready_detectors


@pytest.fixture(scope="module")
def statement():
    return Detector.load(ready_detectors.find_ready_detectors()[0]).statement


def print_table(detections: list[Detection], statement, copies: int = 1) -> None:
    """Print the table of detections, each as often as `copies` says."""
    detections = detections * copies
    images = [LocatedImage(detection.path) for detection in detections]
    assert list(table.print_table(detections, list_images(images), statement)) == detections


@pytest.mark.parametrize("copies", [1, MAX_TABLE_ROWS])
def test_verdicts_come_first_and_the_common_folder_is_named_once(statement, capsys, copies):
    detections = [
        Detection(path=Path("photos/of/a.jpg"), verdict="real", probability=0.01),
        Detection(path=Path("photos/b.txt"), error="not an image"),
    ]
    print_table(detections, statement, copies)
    printed = capsys.readouterr().out
    assert printed.count("photos") == 1
    rows = [line for line in printed.splitlines() if "0.010" in line]
    assert {tuple(row.split()) for row in rows} == {("real", "0.010", "of/a.jpg")}


@pytest.mark.parametrize("copies", [1, MAX_TABLE_ROWS])
def test_mixed_paths_and_those_above_the_current_folder_stay(statement, capsys, copies):
    above = Detection(path=Path("../a.jpg"), verdict="real", probability=0.01)
    print_table([above, Detection(path=Path("b.jpg"), error="no")], statement, copies)
    assert capsys.readouterr().out.count("../a.jpg") == copies
    absolute = Detection(path=Path("b.jpg").absolute(), verdict="real", probability=0.01)
    print_table([above, absolute], statement, copies)
    printed = capsys.readouterr().out
    assert printed.count("../a.jpg") == copies and "Images in" not in printed


def test_one_image_keeps_its_path(statement, capsys):
    print_table([Detection(path=Path("photos/a.jpg"), verdict="real", probability=0.01)], statement)
    assert "photos/a.jpg" in capsys.readouterr().out


def test_a_file_that_appears_later_keeps_its_path(statement, capsys):
    listing = ImageListing(MAX_TABLE_ROWS + 1, "photos/of")
    list(
        table.print_table([Detection(path=Path("photos/new.jpg"), error="no")], listing, statement)
    )
    assert "photos/new.jpg" in capsys.readouterr().out


def test_several_images_are_counted_and_nothing_is_claimed_of_none_judged(statement, capsys):
    summary.print_counts(Counter({"generated": 1, "real": 2}))
    assert "3 images:  1 generated, 2 real" in capsys.readouterr().err
    summary.print_statement(summary.Totals(Counter({"": 2})), statement)
    assert "Judged by" not in capsys.readouterr().err
