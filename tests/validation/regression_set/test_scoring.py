"""Reports score the pictures that came back as detection judges them, and say what they are."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from data_collection.dataset import manifest
from detection.predictor import Detector
from toys.face_detector import draw_photograph
from toys.feedback import keep, make_row
from toys.images import encode_image, make_image
from toys.validations import QUICK, new_faces, read_report
from training.detectors import card as detector_card
from training.detectors import ready_detectors
from validation.predictions import load_scorers
from validation.regression_set.scoring import RescoredPicture, count_kinds, rescore_pictures
from validation.regression_set.stored_pictures import RegressionSet

READY = ready_detectors.find_ready_detectors()[0]


def test_a_report_without_pictures_that_came_back_has_no_section(validated, workspace):
    done = validated("--data", new_faces(workspace / "new"), *QUICK)
    assert done.returncode == 0 and "came back" not in done.stdout + done.stderr
    page, metrics = read_report(workspace, "report-new")
    assert "came back" not in page and metrics["came_back"] is None


def test_a_report_tells_the_answers_before_and_now_and_leaves_out_training_images(
    validated, workspace
):
    folder = workspace / "data" / "feedback"
    generated = encode_image(make_image(20_900, generated=True))
    keep(folder, encode_image(make_image(900)), kind="night", name="secret name.png")
    keep(folder, generated, "generated", kind="small", verdict="can't tell")
    records = manifest.select_accepted(
        manifest.read_manifest(workspace / "data" / "faces"), "train"
    )
    known = next(record for record in records if record.label == "real")
    keep(folder, (workspace / "data" / "faces" / known.original).read_bytes())
    altered = keep(folder, b"of old")
    (folder / altered.file).write_bytes(b"altered")
    done = validated("--data", new_faces(workspace / "new"), *QUICK)
    assert done.returncode == 0, done.stderr
    page, metrics = read_report(workspace, "report-new")
    part = metrics["came_back"]
    detector = Detector.load(workspace / "saved_models" / "toy", any_picture=True)
    for picture in part["pictures"]:
        path = folder / "pictures" / picture["sha256"][:2] / picture["sha256"]
        answer = detector.predict(path)
        assert picture["now"]["verdict"] == answer.verdict
        assert picture["now"]["probability"] == pytest.approx(answer.probability, abs=1e-5)
    assert [(kind["truth"], kind["kind"], kind["pictures"]) for kind in part["kinds"]] == [
        ("real", "night", 1),
        ("generated", "small", 1),
    ]
    assert part["kinds"][0]["before"] == {"right": 0, "abstained": 0, "wrong": 1}
    assert part["kinds"][1]["before"] == {"right": 0, "abstained": 1, "wrong": 0}
    assert part["left_out_because_trained_on"] == 1
    assert part["not_scored"][0]["reason"] == "it was altered since it was kept"
    printed = " ".join((done.stdout + done.stderr).split())
    for text in (" ".join(page.split()), printed):
        assert "Of 2 pictures that came back" in text and "is not an accuracy" in text
        assert "1 picture that came back was left out: the detector was trained on" in text
    assert "secret name" not in page + json.dumps(metrics)


@pytest.mark.parametrize("crop", ["face", "centre"])
def test_an_older_detector_of_another_crop_is_judged_by_its_own(tmp_path, crop):
    card = replace(detector_card.read_card(READY), crop=crop)
    data = encode_image(draw_photograph(3, 480, 240))
    row = keep(tmp_path / "feedback", data, without_face=False)
    kept = RegressionSet(tmp_path / "feedback")
    scorer = replace(load_scorers(READY, card)[0], folder=_make_folder(tmp_path), crop=crop)
    (picture,) = rescore_pictures(kept, card, scorer, tmp_path / "nowhere").pictures
    answer = Detector(READY, card).predict(tmp_path / "feedback" / row.file)
    assert (picture.verdict, picture.probability) == (
        answer.verdict,
        pytest.approx(answer.probability, abs=1e-6),
    )


def _make_folder(tmp_path: Path) -> Path:
    """Return an empty folder for the cache of scores."""
    folder = tmp_path / "detector"
    folder.mkdir()
    return folder


def test_a_picture_without_a_face_is_judged_by_its_centre(tmp_path):
    data = encode_image(make_image(4, 200).crop((0, 0, 200, 160)))
    keep(tmp_path / "feedback", data)
    card = detector_card.read_card(READY)
    scorer = replace(load_scorers(READY, card)[0], folder=_make_folder(tmp_path))
    kept = RegressionSet(tmp_path / "feedback")
    rescored = rescore_pictures(kept, card, scorer, tmp_path / "nowhere")
    answer = Detector.load(READY, any_picture=True).decode_image(data, Path("a.png"))
    (judged,) = Detector.load(READY, any_picture=True).detect_batch([answer])
    (picture,) = rescored.pictures
    assert picture.verdict == judged.verdict
    assert "is not here" in rescored.from_training_unknown


def test_pictures_are_counted_by_true_label_and_kind():
    rows = [
        make_row(b"1", kind="press"),
        make_row(b"2", kind="press", verdict="can't tell"),
        make_row(b"3", "generated", kind="night"),
    ]
    now = ["real", "generated", "can't tell"]
    pictures = [
        RescoredPicture(picture=row, verdict=verdict, probability=0.5)
        for row, verdict in zip(rows, now, strict=True)
    ]
    press, night = count_kinds(pictures)
    assert (press.truth, press.kind, press.pictures) == ("real", "press", 2)
    assert (press.before.abstained, press.before.wrong) == (1, 1)
    assert (press.now.right, press.now.wrong) == (1, 1)
    assert (night.truth, night.now.abstained) == ("generated", 1)
