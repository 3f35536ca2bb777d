"""The training command: its output, the files it writes, and those that it never reads."""

import json
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from data_collection.dataset import manifest
from runtime import console
from toys.commands import TRAIN_WORDS, build_environment, run_command, run_fresh_command
from toys.datasets import write_toy_audit
from toys.images import encode_image, make_image
from training import train
from training.detectors import card, saved_models
from training.onnx_files import onnx_models
from training.settings import TrainingSettings


def test_the_summary_counts_the_forward_passes_and_compares_with_the_baselines(workplace):
    output = (workplace / "training.txt").read_text()
    assert "272 forward passes for 68 images (2 views to train on, 2 to judge)" in output
    baselines, controls = output.split("Controls see the file or nothing", 1)
    for name in ("logistic regression, top layer", "logistic regression, all taps"):
        assert f"baseline: {name}" in baselines
    for name in ("majority class", "file metadata only"):
        assert name in controls and name not in baselines
    assert len(re.findall(r"trial +\d/4 ", output)) == 4
    assert "RANDOM weights" in output


def test_a_second_search_performs_no_forward_pass_and_repeats_show_the_spread(workplace, tmp_path):
    shutil.copytree(workplace / "data", tmp_path / "data")
    done = run_command(
        *TRAIN_WORDS, "--trials", 2, "--epochs", 3, "--repeats", 3, "--name", "again", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "mobilenet_v2: 0 forward passes for 68 images" in done.stderr
    # and the three seeds of the final detector are compared with the best baseline
    assert re.search(
        r"Final detector with 3 seeds: loss \d.\d{4} \(standard deviation \d.\d{4}\), AUC",
        done.stderr,
    )
    assert "the best baseline, logistic regression" in done.stderr
    assert "2 fresh seeds, too few to tell a gain from noise" in done.stderr
    repeats = json.loads((tmp_path / "saved_models" / "again" / "card.json").read_text())["search"][
        "repeats"
    ]
    assert len({scores["loss"] for scores in repeats}) == 3
    assert {path.name for path in (tmp_path / "logs" / "training" / "again").iterdir()} >= {
        "seed1",
        "seed2",
    }


def test_a_detector_of_the_sample_says_so_everywhere_and_is_not_published(workplace, tmp_path):
    shutil.copytree(workplace / "data", tmp_path / "data")
    path = tmp_path / "data" / "faces" / "manifest.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        if row["label"] == "generated":
            row["generator"] = "dcgan"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    done = run_command(
        *TRAIN_WORDS, "--trials", 2, "--epochs", 2, "--name", "practice", cwd=tmp_path
    )
    assert done.returncode == 0 and "Practice detector" in done.stderr, done.stderr
    saved = card.read_card(tmp_path / "saved_models" / "practice")
    assert saved.practice and saved.banner.startswith("Practice detector")
    photo = workplace / "faces" / "real"
    for words in ((), ("--json",), ("--csv",)):
        judged = run_command(
            "detection",
            next(photo.iterdir()),
            "--any-picture",
            "--model",
            "practice",
            *words,
            cwd=tmp_path,
        )
        assert "Practice detector" in judged.stderr
        assert ("Practice detector" in judged.stdout) == bool(words)  # in every answer
    refused = run_command(
        "detection", "publish", "ann/faces", "--model", "practice", "--dry-run", cwd=tmp_path
    )
    assert refused.returncode == console.EXIT_BAD_MODEL
    assert "was trained on the sample data set" in refused.stderr


def test_trained_again_from_the_pictures_it_is_the_same_detector_bit_for_bit(workplace, tmp_path):
    shutil.copytree(
        workplace / "data", tmp_path / "data", ignore=shutil.ignore_patterns("features", "searches")
    )
    words = (*TRAIN_WORDS, "--trials", 4, "--epochs", 6, "--name", "toy")
    done = run_fresh_command(*words, cwd=tmp_path)  # with a hash seed of its own
    assert done.returncode == 0 and "mobilenet_v2: 272 forward passes" in done.stderr, done.stderr
    folders = [root / "saved_models" / "toy" for root in (workplace, tmp_path)]
    first, second = ((folder / "leaderboard.jsonl").read_bytes() for folder in folders)
    assert first == second
    first, second = (card.read_card(folder) for folder in folders)
    assert (first.metrics, first.calibration, first.search) == (
        second.metrics,
        second.calibration,
        second.search,
    )
    pixels = (
        np.random.default_rng(0)
        .uniform(0, 255, (8, first.image_size, first.image_size, 3))
        .astype(np.float32)
    )
    probabilities = [
        onnx_models.open_onnx(folder / saved_models.ONNX_FILE)(pixels) for folder in folders
    ]
    assert np.array_equal(*probabilities)


def test_tensorboard_shows_curves_faces_and_precision_and_recall(workplace):
    events = EventAccumulator(str(workplace / "logs" / "training" / "toy")).Reload()
    assert {"val_loss", "val_auc", "loss", "validation/auc"} <= set(events.Tags()["scalars"])
    assert set(events.Tags()["images"]) == {"faces/real", "faces/generated", "accuracy_and_latency"}
    assert "validation/precision_recall" in events.summary_metadata
    assert len(list((workplace / "logs" / "training" / "faces-search").rglob("events.*"))) == 4


def test_what_an_answer_costs_stands_beside_its_accuracy(workplace):
    output = (workplace / "training.txt").read_text()
    table = output[output.index("Accuracy and cost") :]
    for name in ("toy", "logistic regression, top layer", "logistic regression, all taps"):
        assert re.search(
            rf"^ ?{name} +[01]\.\d+ +[\d,]+ +\d+\.\d +\d+\.\d\d", table, re.MULTILINE
        ), table
    assert (workplace / "saved_models" / "toy" / "accuracy-latency.png").is_file()


@pytest.mark.slow
def test_models_from_scratch_join_the_leaderboard_and_are_judged_on_the_hold_out(
    workplace, tmp_path
):
    shutil.copytree(workplace / "data", tmp_path / "data")
    models = ("--models", "two-layer", "srm-cnn")
    done = run_command(
        *TRAIN_WORDS, "--trials", 1, "--epochs", 2, "--name", "more", *models, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    names = ("two-layer net on pixels, 64 px", "CNN from scratch with SRM attention, 64 px")
    for name in names:
        assert f"baseline: {name}" in done.stdout
    validated = run_command("validation", "--distorted", 0, "--explained", 0, cwd=tmp_path)
    assert validated.returncode == 0, validated.stderr
    report = json.loads(
        (tmp_path / "saved_models" / "more" / "report" / "metrics.json").read_text()
    )
    assert set(names) <= set(report["detectors"])


def test_spanning_a_single_base_or_sharing_its_searches_is_refused_in_one_sentence(monkeypatch):
    with pytest.raises(ValueError, match=r"^--span-bases has xception alone; name two bases"):
        TrainingSettings(bases=("xception",), span_bases=True)
    for name, value in (
        ("KERASTUNER_ORACLE_IP", "127.0.0.1"),
        ("KERASTUNER_ORACLE_PORT", "9"),
        ("KERASTUNER_TUNER_ID", "chief"),
    ):
        monkeypatch.setenv(name, value)
    with pytest.raises(console.PlainError, match=r"does not share with workers\. Unset KERASTUNER"):
        train.train_detector(TrainingSettings(span_bases=True))


def test_a_model_that_is_not_on_offer_is_refused_in_one_sentence(tmp_path):
    done = run_command("training", "--models", "vgg", cwd=tmp_path)
    assert done.returncode == 2
    assert "vgg" in done.stderr and "srm-cnn" in done.stderr and "Traceback" not in done.stderr


def test_the_hold_out_is_not_read(workplace, tmp_path):
    shutil.copytree(workplace / "data", tmp_path / "data")
    folder = tmp_path / "data" / "faces"
    for record in manifest.select_accepted(manifest.read_manifest(folder), "hold-out"):
        (folder / record.original).unlink()
        (folder / record.image).unlink()
    done = run_command(*TRAIN_WORDS, "--trials", 1, "--epochs", 2, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "splits.json").read_text())["hold_out_opened"] == []


def test_the_card_keeps_the_status_of_the_audit_for_the_next_steps(workplace, tmp_path):
    shutil.copytree(workplace / "data", tmp_path / "data")
    folder = tmp_path / "data" / "faces"
    write_toy_audit(folder, "AMBER", size=64)
    words = ("--trials", 1, "--epochs", 2, "--name", "audited")
    done = run_command(*TRAIN_WORDS, *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert card.read_card(tmp_path / "saved_models" / "audited").audit_status == "AMBER"
    assert "The audit says AMBER" in " ".join((done.stdout + done.stderr).split())


def test_an_altered_image_or_split_stops_the_training(workplace, tmp_path):
    shutil.copytree(workplace / "data", tmp_path / "data")
    folder = tmp_path / "data" / "faces"
    shutil.rmtree(folder / "features")
    record = manifest.select_accepted(manifest.read_manifest(folder), "train")[0]
    (folder / record.original).write_bytes(encode_image(make_image(77)))
    done = run_command(*TRAIN_WORDS, cwd=tmp_path)
    assert (done.returncode, "was altered since it was collected" in done.stderr) == (6, True), (
        done.stderr
    )
    text = (
        manifest.manifest_path(folder)
        .read_text()
        .replace('"split": "train"', '"split": "hold-out"', 1)
    )
    manifest.manifest_path(folder).write_text(text)
    done = run_command(*TRAIN_WORDS, cwd=tmp_path)
    assert (done.returncode, "hold-out is not the one" in done.stderr) == (5, True), done.stderr


@pytest.mark.slow
def test_killed_during_the_search_the_next_run_carries_on(workplace, tmp_path):
    shutil.copytree(workplace / "data", tmp_path / "data")
    shutil.rmtree(tmp_path / "data" / "faces" / "searches")
    words = [
        *map(str, TRAIN_WORDS),
        "--trials",
        "40",
        "--epochs",
        "3",
        "--tuner",
        "random",
        "--name",
        "resumed",
    ]
    command_line = [sys.executable, "-m", *words]
    with subprocess.Popen(
        command_line, cwd=tmp_path, env=build_environment(), stderr=subprocess.PIPE, text=True
    ) as process:
        # The second trial of the second batch of sixteen.
        while not process.stderr.readline().startswith("trial  18/40"):
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    assert not list((tmp_path / "saved_models").iterdir())
    done = run_command(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 17 <= int(re.search(r"40 trials, (\d+) of them done before", done.stderr)[1]) < 40
    assert "0 forward passes" in done.stderr
    rows = (tmp_path / "saved_models" / "resumed" / "leaderboard.jsonl").read_text().splitlines()
    assert len(rows) == 40
