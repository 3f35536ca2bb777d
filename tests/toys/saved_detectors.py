"""Copies of the toy detector under other names, and a detector's answers by Keras alone."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from toys.commands import build_environment
from training.detectors import own_detectors
from training.detectors.card import Card, read_card, write_card
from validation.report.report_files import METRICS_FILE, REPORT_FOLDER


def copy_detector(toy: Path, folder: Path, created: str = "2026-01-01", **changes: object) -> Card:
    """Copy a detector, without its report, to a folder that names it; change fields of its card.

    It counts as trained in the folder of saved detectors.
    """
    shutil.copytree(toy, folder, ignore=shutil.ignore_patterns(REPORT_FOLDER, "cache"))
    card = dataclasses.replace(read_card(toy), name=folder.name, created=created, **changes)
    write_card(folder, card)
    own_detectors.mark_as_trained_here(folder)
    return card


def mark_as_validated(folder: Path) -> None:
    """Write the part of a report that says which model file it is of."""
    report = {"model_sha256": read_card(folder).sha256}
    (folder / REPORT_FOLDER).mkdir()
    (folder / REPORT_FOLDER / METRICS_FILE).write_text(json.dumps(report))


def predict_in_plain_keras(path: Path, pixels: np.ndarray, folder: Path) -> np.ndarray:
    """Return the probabilities of a .keras file, (images,), opened where our packages are not on
    the path.

    Args:
        folder: for the pixels.
    """
    np.save(folder / "pixels.npy", pixels)
    program = (
        f"import keras, numpy\nmodel = keras.saving.load_model({str(path)!r})\n"
        "print(numpy.asarray(model.predict_on_batch(numpy.load('pixels.npy'))).ravel().tolist())"
    )
    process = subprocess.run(
        [sys.executable, "-I", "-c", program],
        cwd=folder,
        env=build_environment(PYTHONPATH=""),
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    return np.array(json.loads(process.stdout))
