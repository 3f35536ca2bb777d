"""An outside detector is scored on the same images, with the same intervals, and told apart."""

import csv
import json
import re

import pytest

from data_collection.dataset import manifest
from toys.commands import run_command
from toys.outside_models import build_brightness_model, write_module
from toys.validations import QUICK, list_openings, new_faces, read_report
from validation.metrics.metrics import FALSE_ALARMS

NO_VALUE = {"value": None, "low": None, "high": None, "reason": "no cuts set by Telltale"}


def read_rows(path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_rows(path, rows: list[dict]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def hold_out(workspace) -> list[manifest.FaceRecord]:
    write_module(workspace)
    return manifest.select_accepted(
        manifest.read_manifest(workspace / "data" / "faces"), "hold-out"
    )


def test_a_function_is_scored_beside_the_detector_and_its_probabilities_come_back_as_a_csv(
    workspace, hold_out, validated
):
    done = run_command(
        *("validation", "--model", "toy", "--against", "judges:score"),
        *("--predictions-out", "scores.csv", *QUICK),
        cwd=workspace,
    )
    assert done.returncode == 0, done.stderr
    name = "judges:score (outside)"
    assert name in done.stdout
    page, metrics = read_report(workspace)
    outside = metrics["detectors"][name]
    assert outside["threshold"] == 0.5 and outside["metrics"][FALSE_ALARMS] == NO_VALUE
    assert all(outside["metrics"][each]["value"] is not None for each in ("ROC AUC", "ECE", "FPR"))
    assert {each["metric"] for each in metrics["comparison"]["differences"]} == {
        *("ROC AUC", "balanced accuracy", "average precision", "log loss", "Brier score")
    }
    assert metrics["comparison"]["second"] == metrics["outside"]["name"] == name
    assert "which Telltale did not make" in page
    assert "nothing is promised of its false alarms" in page
    assert "(outside)" not in (workspace / "saved_models" / "toy" / "README.md").read_text()
    assert list_openings(workspace) == ["toy", name]
    assert metrics["evaluation_set"]["hold_out_openings"] == {"times": 2, "detectors": 2}
    assert metrics["command"].endswith(
        "--against judges:score --distorted 0 --explained 0 --predictions-out scores.csv"
    )

    rows = read_rows(workspace / "scores.csv")
    assert {row["sha256"]: row["label"] for row in rows} == {
        record.id: record.label for record in hold_out
    }
    assert all(row["split"] == "hold-out" and (workspace / row["path"]).is_file() for row in rows)
    assert all(0 <= float(row[f"probability of {name}"]) <= 1 for row in rows)
    assert len({row["probability"] for row in rows}) > 6

    again = validated("--model", "toy", "--against", "scores.csv", *QUICK)
    assert again.returncode == 0, again.stderr
    sentences = [
        each["sentence"] for each in read_report(workspace)[1]["comparison"]["differences"]
    ]
    assert "ROC AUC: toy and scores.csv (outside) do not differ at all." in sentences


def test_the_names_of_the_files_that_a_function_gets_do_not_tell_their_class(
    workspace, hold_out, validated
):
    assert validated("--against", "judges:read_names", *QUICK).returncode == 0
    _, metrics = read_report(workspace)
    outside = metrics["detectors"]["judges:read_names (outside)"]["metrics"]
    assert outside["ROC AUC"]["value"] == 0.5


def test_both_channel_orders_of_an_onnx_file_have_the_same_metrics(workspace, hold_out, validated):
    aucs = []
    for number, shape in enumerate([(None, 48, 48, 3), (None, 3, 48, 48)]):
        (workspace / f"{number}.onnx").write_bytes(build_brightness_model(shape))
        done = validated("--against", f"{number}.onnx", *QUICK)
        assert done.returncode == 0, done.stderr
        _, metrics = read_report(workspace)
        aucs.append(metrics["detectors"][f"{number}.onnx (outside)"]["metrics"]["ROC AUC"])
    assert aucs[0] == aucs[1] and aucs[0]["value"] is not None
    assert list_openings(workspace).count("1.onnx (outside)") == 1


def test_a_function_that_fails_is_told_in_a_sentence_and_the_other_results_stay(
    workspace, hold_out
):
    done = run_command(
        "validation", "--model", "toy", "--against", "judges:raises", *QUICK, cwd=workspace
    )
    assert done.returncode == 8 and "Traceback" not in done.stderr
    fault = "judges:raises (outside) raised ValueError: no GPU here."
    assert f"error: {fault}" in done.stderr and "ROC AUC" in done.stdout
    page, metrics = read_report(workspace)
    assert metrics["detectors"]["toy"]["metrics"]["ROC AUC"]["value"] > 0.9
    assert "judges:raises (outside)" not in metrics["detectors"]
    assert metrics["outside"]["failure"].startswith(fault) and metrics["comparison"] is None
    assert "It has no result:" in page
    assert list_openings(workspace) == ["toy", "judges:raises (outside)"]


@pytest.mark.parametrize(
    ("against", "code", "sentence"),
    [
        ("nosuch:score", 2, "nosuch cannot be imported (ModuleNotFoundError"),
        ("broken:score", 2, "No module named 'a_package_that_is_not_there'"),
        ("judges:nosuch", 2, "nosuch of judges does not exist"),
        ("judges:number", 2, "number of judges is no function"),
        ("nosuch.onnx", 8, "nosuch.onnx does not exist"),
        ("bad.onnx", 8, "bad.onnx is damaged"),
        ("nosuch.csv", 2, "Cannot read nosuch.csv (No such file or directory)"),
        ("empty.csv", 2, "It needs one that names the images: sha256, path, file"),
        ("keys.csv", 2, "keys.csv holds no probability"),
        ("percent.csv", 2, "line 2 of percent.csv has the probability '93'"),
        ("words.csv", 2, "line 3 of words.csv has the probability 'fake'"),
        ("twice.csv", 2, "twice.csv has the column `path` twice"),
    ],
)
def test_an_outside_detector_that_cannot_be_used_is_told_before_the_hold_out_is_opened(
    workspace, hold_out, validated, against, code, sentence
):
    (workspace / "bad.onnx").write_bytes(b"no model")
    for name, text in {
        "empty": "",
        "keys": "sha256\nab\n",
        "percent": "path,probability\na.png,93\n",
        "words": "path,probability\na.png,0.5\nb.png,fake\n",
        "twice": "path,path,probability\na,a,0.5\n",
    }.items():
        (workspace / f"{name}.csv").write_text(text)
    done = validated("--model", "toy", "--against", against, *QUICK)
    assert (done.returncode, sentence in done.stderr) == (code, True), done.stderr
    assert list_openings(workspace) == []


def test_images_that_a_csv_leaves_out_are_told_and_both_detectors_are_compared_without_them(
    workspace, hold_out, validated
):
    rows = [
        {"file": record.file, "probability": 0.9 if record.label == "generated" else 0.2}
        for record in hold_out
    ]
    reals = [row for row, record in zip(rows, hold_out, strict=True) if record.label == "real"]
    reals[0]["probability"] = ""
    write_rows(
        workspace / "part.csv",
        [row for row in rows if row is not reals[1]]
        + [{"file": "elsewhere/nosuch.png", "probability": 0.5}],
    )
    done = validated("--against", "part.csv", *QUICK)
    assert done.returncode == 0, done.stderr
    page, metrics = read_report(workspace)
    assert metrics["outside"]["not_scored"] == {"real": 2, "generated": 0}
    notes = " ".join(metrics["outside"]["notes"])
    assert "no probability for 2 of 6 photographs and 0 of 6 generated images" in notes
    assert "1 of its 12 rows name no image" in notes and "looks better than it is" in page
    assert sum(metrics["detectors"]["part.csv (outside)"]["confusion"].values()) == 10
    assert sum(metrics["detectors"]["toy"]["confusion"].values()) == 12


def test_a_csv_without_one_of_the_classes_gives_no_result(workspace, hold_out, validated):
    write_rows(
        workspace / "reals.csv",
        [
            {"sha256": record.id.upper(), "probability": 0.2}
            for record in hold_out
            if record.label == "real"
        ],
    )
    done = validated("--against", "reals.csv", *QUICK)
    assert done.returncode == 2
    assert "no probability for any of the 6 generated images" in done.stderr
    assert read_report(workspace)[1]["detectors"]["toy"]


def test_other_images_have_an_outside_detector_too_and_no_paths_without_pictures(
    workspace, hold_out, validated
):
    new_faces(workspace / "photos")
    words = ("--data", "photos", "--against", "judges:column", "--predictions-out", "out/a.csv")
    done = validated(*words, "--no-pictures", *QUICK)
    assert done.returncode == 0, done.stderr
    _, metrics = read_report(workspace, "report-photos")
    assert metrics["detectors"]["judges:column (outside)"]["metrics"]["ROC AUC"]["value"]
    assert list_openings(workspace) == []
    text = (workspace / "out" / "a.csv").read_text()
    assert text.startswith("sha256,label,") and ".png" not in text


def test_the_help_says_that_a_function_is_run_because_it_was_named(tmp_path):
    done = run_command("validation", "--help", cwd=tmp_path)
    text = " ".join(done.stdout.split())
    assert "A function is code, run only because you name it" in text
    assert re.search(r"--against DETECTOR", text) and json.dumps("module:function")[1:-1] in text
