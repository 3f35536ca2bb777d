"""The command keeps a picture with the detector's answer, and says why it keeps none."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import tyro
from PIL import Image

from data_collection.dataset import manifest
from detection.feedback.feedback import give_feedback
from detection.feedback.settings import FeedbackSettings
from detection.predictor import Detector
from runtime import console
from toys.commands import run_command
from toys.datasets import collect_records
from toys.face_detector import BACKGROUND_RGB, draw_photograph, draw_schematic_face
from toys.face_records import write_toy_records
from toys.images import encode_image, make_image
from training.detectors import ready_detectors
from validation.regression_set.stored_pictures import RegressionSet

READY = ready_detectors.find_ready_detectors()[0]


@pytest.fixture
def feedback(tmp_path, monkeypatch, capsys):
    """Run the command within this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> SimpleNamespace:
        words = list(map(str, words))
        code, message = 0, ""
        try:
            code = give_feedback(tyro.cli(FeedbackSettings, args=words))
        except console.PlainError as error:
            code, message = error.exit_code, str(error)
        output = capsys.readouterr()
        printed = " ".join((output.out + output.err + message).split())
        return SimpleNamespace(code=code, printed=printed)

    return run


@pytest.fixture
def photo(tmp_path) -> Path:
    path = tmp_path / "photo.png"
    path.write_bytes(encode_image(draw_photograph()))
    return path


def test_a_picture_is_kept_with_its_truth_and_the_answer_that_it_got(feedback, photo):
    done = feedback(photo, "--truth", "real", "--kind", "Night", "--note", "from a friend")
    assert done.code == 0 and "holds 1 picture, on this computer only" in done.printed
    kept = RegressionSet(Path("data/feedback"))
    (row,) = kept.read()
    answer = Detector.load(READY).predict(photo)
    assert (row.truth, row.kind, row.note, row.name) == (
        "real",
        "night",
        "from a friend",
        photo.name,
    )
    assert (row.verdict, row.sha256) == (answer.verdict, answer.sha256)
    assert row.probability == pytest.approx(answer.probability, abs=1e-6)
    assert row.detector == READY.name
    assert kept.read_picture(row) == photo.read_bytes()
    listed = feedback("--list").printed
    assert all(text in listed for text in (row.sha256[:12], "night", row.verdict, "from a friend"))


def test_the_same_picture_again_is_told_and_with_the_other_label_refused(feedback, photo):
    feedback(photo, "--truth", "real")
    (row,) = RegressionSet(Path("data/feedback")).read()
    same = feedback(photo, "--truth", "real", "--kind", "night")
    assert same.code == 0 and "is kept already as real" in same.printed
    other = feedback(photo, "--truth", "generated")
    assert other.code == 1
    assert (
        f"remove it first: python -m detection feedback --remove {row.sha256[:12]}" in other.printed
    )
    assert RegressionSet(Path("data/feedback")).read() == [row]


@pytest.mark.parametrize("by", ["path", "hash"])
def test_a_picture_is_removed_by_its_file_or_its_hash(feedback, photo, by):
    feedback(photo, "--truth", "real")
    kept = RegressionSet(Path("data/feedback"))
    named = photo if by == "path" else kept.read()[0].sha256[:8]
    assert feedback("--remove", named).code == 0
    assert kept.read() == [] and list(kept.folder.rglob("pictures/*/*")) == []
    again = feedback("--remove", named)
    assert again.code == 2 and f"No kept pictures are called {named}" in again.printed


def test_what_cannot_be_judged_is_said_and_the_others_are_kept(feedback, photo, tmp_path):
    (tmp_path / "text.png").write_bytes(b"no picture")
    (tmp_path / "nobody.png").write_bytes(encode_image(make_image(1, 200)))
    group = Image.new("RGB", (600, 400), BACKGROUND_RGB)
    for x in (150, 430):
        group = draw_schematic_face(group, x, 200, 90)
    group.save(tmp_path / "group.png")
    names = ("text.png", "nobody.png", "group.png", "missing.png")
    done = feedback(*names, photo, "--truth", "generated")
    assert done.code == 1
    for reason in (
        "text.png was not kept: not an image of a known format",
        "nobody.png was not kept: no face was found",
        "group.png was not kept: it shows several faces",
        "missing.png was not kept: no such file",
    ):
        assert reason in done.printed
    assert [row.name for row in RegressionSet(Path("data/feedback")).read()] == [photo.name]
    assert feedback("nobody.png", "--truth", "real", "--any-picture").code == 0
    assert RegressionSet(Path("data/feedback")).read()[-1].without_face


def test_a_picture_of_a_data_set_here_is_named_with_its_split(feedback, tmp_path):
    folder = tmp_path / "data" / "faces"
    records = write_toy_records(folder, 6)
    collect_records(folder, records)
    said = {}
    for split in ("train", "hold-out"):
        record = next(r for r in records if r.split == split and r.label == "generated")
        said[split] = feedback(folder / record.original, "--truth", "real", "--any-picture").printed
    assert "is a training image of data/faces, labelled generated there" in said["train"]
    assert "python -m data_collection correct data/faces" in said["train"]
    assert "is a hold-out image of data/faces" in said["hold-out"]


def test_a_near_duplicate_of_a_data_set_here_is_named(feedback, workplace, tmp_path):
    shutil.copytree(workplace / "data" / "faces", tmp_path / "data" / "faces")
    records = manifest.read_manifest(tmp_path / "data" / "faces")
    record = manifest.select_accepted(records, "train")[0]
    with Image.open(tmp_path / "data" / "faces" / record.original) as image:
        image.convert("RGB").save(tmp_path / "copy.jpg", quality=80)
    toy = ("--any-picture", "--model", workplace / "saved_models" / "toy")
    printed = feedback("copy.jpg", "--truth", record.label, *toy).printed
    assert f"copy.jpg is nearly a training image of data/faces, labelled {record.label}" in printed


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "Name a picture"),
        ({"paths": ("a.png",), "truth": "real", "list": True}, "one of these"),
        ({"paths": ("a.png",)}, "Say what the pictures are"),
        ({"list": True, "kind": "night"}, "are about pictures"),
        ({"paths": ("a.png",), "truth": "real", "kind": "<night>"}, "a word such as night"),
        ({"paths": ("a.png",), "truth": "real", "note": "x" * 1001}, "has 1,001 characters"),
    ],
)
def test_settings_that_say_too_much_or_too_little_are_told(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        FeedbackSettings(**fields)


def test_the_pictures_lie_in_the_workspace_that_the_environment_names(photo, tmp_path):
    done = run_command(
        *("detection", "feedback", photo, "--truth", "real"),
        cwd=tmp_path,
        TELLTALE_HOME=str(tmp_path / "home"),
    )
    assert done.returncode == 0, done.stderr
    assert len(RegressionSet(tmp_path / "home" / "data" / "feedback").read()) == 1
