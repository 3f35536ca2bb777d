"""The table of verdicts fits a terminal: verdict first, short paths, counts below."""

from collections import Counter
from pathlib import Path

import pytest

from detection.detections import Detection
from detection.output import summary, table
from detection.predictor import Detector
from training.detectors import ready_detectors


@pytest.fixture(scope="module")
def statement():
    return Detector.load(ready_detectors.find_ready_detectors()[0]).statement


def test_verdicts_come_first_and_the_common_folder_is_named_once(statement, capsys):
    detections = [
        Detection(path=Path("photos/of/a.jpg"), verdict="real", probability=0.01),
        Detection(path=Path("photos/b.txt"), error="not an image"),
    ]
    assert list(table.print_table(detections, 2, statement)) == detections
    printed = capsys.readouterr().out
    assert printed.count("photos") == 1
    row = next(line for line in printed.splitlines() if "0.010" in line)
    assert row.split() == ["real", "0.010", "of/a.jpg"]


def test_one_image_keeps_its_path_and_mixed_paths_stay(statement, capsys):
    one = [Detection(path=Path("photos/a.jpg"), verdict="real", probability=0.01)]
    list(table.print_table(one, 1, statement))
    mixed = [*one, Detection(path=Path("b.jpg").absolute(), verdict="real", probability=0.01)]
    list(table.print_table(mixed, 2, statement))
    assert capsys.readouterr().out.count("photos/a.jpg") == 2


def test_several_images_are_counted_and_nothing_is_claimed_of_none_judged(statement, capsys):
    summary.print_summary(Counter({"generated": 1, "real": 2}), statement)
    assert "3 images:  1 generated, 2 real" in capsys.readouterr().err
    summary.print_summary(Counter({"": 2}), statement)
    assert "Judged by" not in capsys.readouterr().err
