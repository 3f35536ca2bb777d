"""The validation command: opens the hold-out, counts it, and leaves a report beside the model and in TensorBoard."""

import json
import shutil

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from data_collection import manifest
from toys import command


@pytest.fixture
def place(workplace, tmp_path):
    for name in ("data", "saved_models"):
        shutil.copytree(workplace / name, tmp_path / name)
    return tmp_path


def test_the_report_says_what_a_reader_needs(place):
    done = command("validation", cwd=place)
    assert done.returncode == 0, done.stderr
    report = place / "saved_models" / "toy" / "report"
    text = (report / "report.md").read_text()
    assert "6 photographs and 6 generated images in 12 groups" in text
    assert "opened 1 time" in text and "RANDOM weights" in text
    found = json.loads((report / "report.json").read_text())
    assert list(found["detectors"]) == ["toy", "logistic regression, top layer", "logistic regression, all taps"]
    toy = found["detectors"]["toy"]
    card = json.loads((place / "saved_models" / "toy" / "card.json").read_text())
    assert toy["threshold"] == card["calibration"]["threshold"]
    assert toy["ROC AUC"]["low"] > 0.5  # the toy's grid is plain to see, even for random weights
    with Image.open(report / "hold-out.png") as figure:
        assert figure.width > 800
    events = EventAccumulator(str(place / "logs" / "validation" / "toy")).Reload()
    assert "hold-out/ROC_AUC" in events.Tags()["scalars"]
    assert "hold-out/precision_recall" in events.summary_metadata
    for name in ("ROC AUC", "balanced accuracy", "accuracy on real", "accuracy on generated"):
        assert name in done.stdout


def test_every_opening_is_counted(place):
    for times in (1, 2):
        command("validation", "--model", "toy", cwd=place)
        opened = json.loads((place / "data" / "faces" / "splits.json").read_text())["hold_out_opened"]
        assert [entry["model"] for entry in opened] == ["toy"] * times


def test_a_hold_out_that_training_did_not_know_is_refused(place):
    folder = place / "data" / "faces"
    splits_file = folder / "splits.json"
    records = manifest.read(folder)
    dropped = next(record for record in records if record.split == "hold-out")
    manifest.replace_all(folder, [record for record in records if record is not dropped])
    done = command("validation", cwd=place)
    assert (done.returncode, "is not the one" in done.stderr) == (5, True)
    from data_collection import splits

    frozen = splits.read(folder)
    splits.seal(manifest.read(folder), frozen)
    splits.write(folder, frozen)
    done = command("validation", cwd=place)
    assert (done.returncode, "was kept away from" in done.stderr) == (5, True)
    assert json.loads(splits_file.read_text())["hold_out_opened"] == []


def test_an_altered_model_is_not_judged_and_opens_nothing(place):
    with (place / "saved_models" / "toy" / "detector.onnx").open("ab") as file:
        file.write(b"x")
    done = command("validation", cwd=place)
    assert (done.returncode, "was altered since it was saved" in done.stderr) == (8, True)
    assert json.loads((place / "data" / "faces" / "splits.json").read_text())["hold_out_opened"] == []
