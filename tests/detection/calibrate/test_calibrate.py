"""Photographs of one's own set the false-alarm cut, and every answer names the calibration."""

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from detection import network, own_calibration
from detection.calibrate.calibrate import calibrate_with_photographs, describe_price
from detection.calibrate.photographs import judge_photographs
from detection.calibrate.settings import CalibrateSettings
from detection.detect import detect
from detection.detections import JudgedSquare, ProbabilityRange
from detection.predictor import Detector
from detection.settings import DetectionSettings
from detection.web.answers import PageAnswers
from runtime import console
from toys.commands import run_command
from toys.face_detector import draw_schematic_face
from toys.images import encode_image, make_image
from training.calibration import sigmoid
from training.cuts.cut import Cut
from training.cuts.left_out import LeftOutSource
from training.detectors import card as detector_card


def write_photographs(folder: Path, count: int, first_seed: int = 5000) -> Path:
    """Write drawn photographs whose grid the toy detector takes for a generator's."""
    folder.mkdir()
    for number in range(count):
        image = make_image(first_seed + number, generated=True)
        (folder / f"{number:03}.png").write_bytes(encode_image(image))
    return folder


@pytest.fixture
def model(workplace, tmp_path) -> Path:
    """Copy the toy detector; its data set is found from the session's folder."""
    return shutil.copytree(workplace / "saved_models" / "toy", tmp_path / "saved_models" / "toy")


@pytest.fixture
def calibrate(workplace, model, monkeypatch, capsys) -> Callable:
    """Return a function that calibrates the detector with a folder, and returns its exit code and
    all that it prints, on one line."""
    monkeypatch.chdir(workplace)

    def run(folder: Path, **options: object) -> tuple[int, str]:
        words = {"model": model, "any_picture": True} | options
        sentence = ""
        try:
            code = calibrate_with_photographs(CalibrateSettings(real=f"folder:{folder}", **words))
        except console.PlainError as error:
            code, sentence = error.exit_code, str(error)
        return code, " ".join(("".join(capsys.readouterr()) + sentence).split())

    return run


def test_the_cut_moves_and_every_answer_names_the_calibration(calibrate, model, tmp_path, capsys):
    folder = write_photographs(tmp_path / "mine", 24)
    code, text = calibrate(folder)
    assert code == 0, text
    assert "mine: no cut at 1%: 99 groups of photographs needed, 24 found." in text
    assert "is not known: no generator was left out of its training" in text
    shipped = Detector.load(model, any_picture=True)
    own = Detector.load(model, any_picture=True, calibration="mine")
    assert own.point.generated_above > shipped.point.generated_above
    assert own.point.miss_cut == shipped.point.miss_cut
    paths = sorted(folder.iterdir())
    alarms = [
        sum(detection.verdict == "generated" for detection in detector.predict_all(paths))
        for detector in (shipped, own)
    ]
    assert alarms[0] > 10 and alarms[1] <= 1
    assert (shipped.statement.calibration, own.statement.calibration) == ("", "mine")
    assert "Of photographs like the 24 of calibration “mine”" in own.statement.promise[0]
    answer = PageAnswers(own).build_answer(own.decode_image(paths[0].read_bytes(), Path()), False)
    assert answer["calibration"] == "mine" and answer["promise"] == own.statement.promise
    for words, expected in (
        ({"json": True}, '"calibration": "mine"'),
        ({"csv": True}, ",toy,named with --model,mine,"),
        ({}, "Judged by toy (named with --model), calibration mine."),
    ):
        detect(
            DetectionSettings(
                paths=(str(paths[0]),), model=model, any_picture=True, calibration="mine", **words
            )
        )
        assert expected in " ".join("".join(capsys.readouterr()).split())


def test_the_saved_calibration_has_counts_and_no_path(calibrate, model, tmp_path):
    folder = write_photographs(tmp_path / "mine", 20)
    assert calibrate(folder, name="phone")[0] == 0
    path = model / "calibrations" / "phone.json"
    content = json.loads(path.read_text())
    assert (content["folder"], content["photographs"], content["unused"]) == ("mine", 20, {})
    assert [cut["limit"] is None for cut in content["cuts"]] == [False, True, True]
    assert str(tmp_path) not in path.read_text()
    before = path.read_bytes()
    code, text = calibrate(folder, name="phone")
    assert code == 2 and "phone.json exists. Choose another --name" in text
    assert path.read_bytes() == before


def test_copies_count_once_and_too_few_is_one_sentence(calibrate, model, tmp_path):
    folder = write_photographs(tmp_path / "mine", 12)
    for path in sorted(folder.iterdir()):
        path.with_name(f"copy {path.name}").write_bytes(path.read_bytes())
        Image.open(path).save(path.with_name(f"resaved {path.stem}.jpg"), quality=95)
    code, text = calibrate(folder)
    assert code == 2
    assert "Not used, copies of another file: 12 files" in text
    assert "sets no cut at 5%: 19 groups of photographs needed, 12 found." in text
    assert not (model / "calibrations").exists()


def test_training_images_are_refused(calibrate, workplace):
    code, text = calibrate(workplace / "faces" / "real")
    assert code == 5, text
    assert "Not used, known from training" in text and "19 groups of photographs needed" in text


def test_a_training_that_is_not_here_is_said_to_be_unchecked(model, tmp_path):
    process = run_command(
        *("detection", "calibrate", "--any-picture", "--model", model),
        *("--real", f"folder:{write_photographs(tmp_path / 'mine', 20)}"),
        cwd=tmp_path,
    )
    assert process.returncode == 0
    assert "could not be checked" in " ".join(process.stderr.split())


def test_photographs_of_several_faces_set_no_cut(workplace, model, tmp_path):
    write_photographs(tmp_path / "mine", 2)
    group = Image.new("RGB", (640, 320), (120, 140, 160))
    for place in ((160, 160, 90), (480, 160, 80)):
        group = draw_schematic_face(group, *place)
    group.save(tmp_path / "mine" / "group.png")
    judged = judge_photographs(tmp_path / "mine", Detector.load(model, any_picture=True))
    assert judged.count_unused() == {"of several faces": 1} and len(judged.logits) == 2
    assert judged.unused[0].file == "group.png"


def test_files_whose_metadata_names_a_generator_are_refused(calibrate, model, tmp_path):
    folder = write_photographs(tmp_path / "mine", 20)
    notes = PngImagePlugin.PngInfo()
    notes.add_text("parameters", "a face\nSteps: 20, Sampler: Euler a, Seed: 7, Model: sdxl")
    buffer = io.BytesIO()
    make_image(6000).save(buffer, "PNG", pnginfo=notes)
    (folder / "x.png").write_bytes(buffer.getvalue())
    (folder / "y.png").write_bytes(b"no image")
    code, text = calibrate(folder)
    assert code == 1, text
    assert "Not used, by their metadata from a generator: 1 file (such as x.png" in text
    assert "Not used, not judged: 1 file (such as y.png" in text
    assert json.loads((model / "calibrations" / "mine.json").read_text())["photographs"] == 20


def test_a_folder_without_photographs_is_one_sentence(calibrate, workplace, tmp_path):
    (tmp_path / "empty").mkdir()
    code, text = calibrate(tmp_path / "empty")
    assert code == 2 and "19 groups of photographs needed, 0 found." in text
    code, text = calibrate(tmp_path / "nowhere")
    assert code == 2 and "nowhere is not a folder." in text
    code, text = calibrate(workplace / "faces")
    assert code == 2 and "only photographs set the cut" in text
    code, text = calibrate(tmp_path / "empty", model=tmp_path / "none")
    assert code == 8 and "is not a saved detector" in text


def test_equal_scores_set_no_cut(calibrate, model, tmp_path, monkeypatch):
    monkeypatch.setattr(
        network,
        "judge_squares",
        lambda card, pixels, run: [JudgedSquare(ProbabilityRange(0.3, 0.3, 0.3)) for _ in pixels],
    )
    code, text = calibrate(write_photographs(tmp_path / "mine", 20))
    assert code == 2 and "gives all 20 photographs" in text and "the same probability" in text
    assert not (model / "calibrations").exists()


def test_a_calibration_of_another_detector_or_a_damaged_one_is_refused(calibrate, model, tmp_path):
    assert calibrate(write_photographs(tmp_path / "mine", 20))[0] == 0
    path = model / "calibrations" / "mine.json"
    card = detector_card.read_card(model)
    with pytest.raises(console.PlainError, match="toy has no calibration 'mien'. Did you mean"):
        own_calibration.read_own_calibration(model, card, "mien")
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"detector_sha256": "0" * 64}))
    with pytest.raises(console.PlainError, match="made for another detector") as refusal:
        Detector.load(model, calibration="mine")
    assert refusal.value.exit_code == console.EXIT_BAD_MODEL
    content["cuts"][0]["limit"] = 7
    for text in (json.dumps(content), "{", "[]"):
        path.write_text(text)
        with pytest.raises(console.PlainError, match="is damaged"):
            Detector.load(model, calibration="mine")


def test_the_price_is_counted_on_generators_left_out(model):
    card = detector_card.read_card(model)
    limits = tuple(None for _ in card.calibration.miss_cuts)
    source = LeftOutSource(
        source="other",
        label=1,
        lowest=(30.0, 2.0, 1.0, -30.0),
        highest=(30.0, 2.0, 1.0, -30.0),
        groups=(0, 1, 2, 3),
        limits=limits,
    )
    point = replace(card.calibration.point, miss_cut=Cut(target=0.05))
    before, after = (
        replace(point, false_alarm_cut=Cut(target=0.05, limit=limit)) for limit in (0.6, 0.99)
    )
    price = describe_price(replace(card, left_out=(source,)), before, after)
    assert (
        price == "Of generators it was not trained on it then finds 25% instead of 75% (cut at 5%)."
    )


@pytest.mark.parametrize("crop", ["centre", "face"])
@pytest.mark.parametrize("any_picture", [False, True])
def test_photographs_are_cropped_and_refused_as_before_a_verdict(
    workplace, model, tmp_path, monkeypatch, crop, any_picture
):
    monkeypatch.chdir(workplace)
    folder = write_photographs(tmp_path / "mine", 2)
    for number in range(3):
        background = make_image(number, 320).resize((480, 320))
        face = draw_schematic_face(background, 150 + 80 * number, 160, 90)
        (folder / f"face {number}.png").write_bytes(encode_image(face))
    card = replace(detector_card.read_card(model), crop=crop)
    detector = Detector(model, card, any_picture)
    judged = [detector.predict(path) for path in sorted(folder.iterdir())]
    photographs = judge_photographs(folder, detector)
    expected = [detection.low for detection in judged if detection.verdict]
    assert len(expected) == (5 if any_picture else 3)
    assert sorted(sigmoid(photographs.logits)) == pytest.approx(sorted(expected), abs=1e-6)
    assert {unused.file for unused in photographs.unused} == {
        detection.path.name for detection in judged if detection.error
    }
    assert all(unused.kind == "not judged" for unused in photographs.unused)
