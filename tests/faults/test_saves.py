"""Kills while a detector is saved do no harm, and training warns of a useless detector."""

import random
import shutil
import subprocess
import sys

import numpy as np
import pytest

from faults import kills
from runtime import atomic_files
from toys.commands import build_collect_words, build_environment, run_command
from toys.images import encode_image, make_image
from training import calibration
from training.detectors import saved_models
from training.settings import TrainingSettings
from training.train import train_detector

KILLS = 4

HOLDING_PROGRAM = """
import sys, time
from pathlib import Path
from training.detectors import saved_models
with saved_models.create_model_folder(Path(sys.argv[1]), "other") as folder:
    (folder / "half").write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Start a process that stays in the middle of saving a model into tmp_path."""
    words = [sys.executable, "-c", HOLDING_PROGRAM, str(tmp_path)]
    with subprocess.Popen(
        words, env=build_environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def test_killed_while_it_saves_the_old_model_loads_and_the_new_one_is_whole_or_absent(
    workplace, tmp_path
):
    seed = random.randrange(10**6)
    print("seed", seed)
    assert kills.kill_saving(workplace, tmp_path, KILLS, random.Random(seed)) > 0


def test_what_a_dead_process_left_is_swept_and_what_a_living_one_writes_is_not(holder, tmp_path):
    def save() -> list[str]:
        with saved_models.create_model_folder(tmp_path, "new") as folder:
            (folder / "whole").write_text("whole")
        shutil.rmtree(tmp_path / "new")
        return [path.name for path in tmp_path.iterdir()]

    assert len(save()) == 2 and list(tmp_path.glob(".other.*/half"))
    holder.kill()
    holder.wait()
    assert save() == []


def test_a_folder_of_somebody_else_is_not_swept(tmp_path):
    (tmp_path / ".mine.tmp").mkdir()
    (tmp_path / ".mine.tmp.lock").write_text("")
    with atomic_files.create_temporary_folder(tmp_path, "model"):
        assert (tmp_path / ".mine.tmp").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mine.tmp", ".mine.tmp.lock"]


@pytest.mark.parametrize(
    ("probabilities", "warning"),
    [
        (np.full(40, 0.5), "AUC of 0.50, no better than guessing"),
        (np.tile([0.4, 0.6, 0.6, 0.4], 10), "AUC of 0.50, no better than guessing"),
        (np.linspace(1, 0, 40), "AUC of 0.00, no better than guessing"),
        (np.linspace(0.1, 0.4, 40), "calls every validation image real"),
        (np.linspace(0.6, 0.9, 40), "calls every validation image generated"),
        (np.linspace(0.1, 0.9, 40), ""),
    ],
)
def test_a_detector_that_tells_nothing_apart_is_found_out(probabilities, warning):
    labels = np.repeat([0, 1], 20)
    description = calibration.describe_uselessness(probabilities, labels, 0.5)
    assert (warning in description) if warning else description == ""


@pytest.mark.slow
def test_training_on_labels_that_mean_nothing_warns_of_its_detector(tmp_path, capsys):
    for number in range(60):
        folder = tmp_path / "faces" / ("real" if number % 2 else "generated")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.png").write_bytes(encode_image(make_image(number)))
    collected = run_command(*build_collect_words(tmp_path / "faces"), cwd=tmp_path)
    assert collected.returncode == 0, collected.stderr
    folders = {name: tmp_path / name for name in ("data", "saved_models", "logs")}
    options = {
        "weights": "random",
        "bases": ("mobilenet_v2",),
        "sizes": (64,),
        "trials": 2,
        "epochs": 2,
        "views": 1,
    }
    train_detector(TrainingSettings(**folders, **options, ensemble=1, name="coin"))
    output = " ".join(capsys.readouterr().err.split())
    assert "warning: coin has a validation AUC of" in output and "no better than guessing" in output
    assert output.index("warning: coin has") < output.index("saved_models/coin. Validate it")
