"""The tutorial runs whole, as a user runs it who has put pictures beside it and edited its top."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from toys.commands import REPOSITORY_ROOT, build_environment
from toys.face_detector import draw_schematic_face
from toys.images import make_image
from training.cuts.verdicts import ABSTAIN

QUICK_CONSTANTS = {
    "TRIALS": 3,
    "WEIGHTS": "random",
    "DISTORTED_PICTURES": 0,
    "EXPLAINED_PICTURES": 0,
}
PICTURES_PER_CLASS = 25
PICTURE_SIDE_PX = 420
GRAIN = {"photographs": 6, "generated": 8}
"""Deviation of the pictures' grain, the difference between the classes."""


def draw_picture(seed: int, grain: float) -> Image.Image:
    """Draw a face in front of a background of its own; the face detector finds it."""
    face = draw_schematic_face(make_image(seed, PICTURE_SIDE_PX), 210, 220, 120)
    noise = np.random.default_rng(seed).normal(0, grain, (PICTURE_SIDE_PX, PICTURE_SIDE_PX, 1))
    return Image.fromarray((np.asarray(face) + noise).clip(0, 255).astype(np.uint8))


def write_pictures(folder: Path) -> None:
    """Write the two folders and the picture that the tutorial's constants name."""
    for start, (name, grain) in enumerate(GRAIN.items()):
        (folder / name).mkdir(parents=True)
        for number in range(PICTURES_PER_CLASS):
            path = folder / name / f"{number:03}.jpg"
            draw_picture(1000 * start + number, grain).save(path, quality=92)
    draw_picture(5000, GRAIN["photographs"]).save(folder / "unknown.jpg", quality=92)


def edit_tutorial(path: Path, constants: dict[str, object]) -> None:
    """Write the tutorial with other values of the constants at its top."""
    text = (REPOSITORY_ROOT / "docs" / "tutorial.py").read_text()
    for name, value in constants.items():
        text, count = re.subn(rf"^{name} = .*$", f"{name} = {value!r}", text, flags=re.MULTILINE)
        assert count == 1, name
    path.write_text(text)


@pytest.mark.slow
def test_the_tutorial_leads_from_two_folders_to_a_verdict(tmp_path):
    write_pictures(tmp_path / "pictures")
    edit_tutorial(tmp_path / "tutorial.py", QUICK_CONSTANTS)
    done = subprocess.run(
        [sys.executable, "tutorial.py"],
        cwd=tmp_path,
        env=build_environment(),
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^Audit at 224 pixels: (too few|GREEN|AMBER)\.$", done.stdout, re.MULTILINE)

    [detector] = (tmp_path / "saved_models").glob("tutorial-*")
    assert f"The detector is saved in {detector.relative_to(tmp_path)}." in done.stdout
    assert (detector / "detector.keras").is_file()
    page = detector / "report" / "index.html"
    assert f"Open the report: {page}" in done.stdout and page.is_file()

    metrics = json.loads((page.parent / "metrics.json").read_text())
    auc = metrics["detectors"][detector.name]["metrics"]["ROC AUC"]["value"]
    assert f"\nROC AUC: {auc:.3f}" in done.stdout
    assert all(f"- {limit}" in done.stdout for limit in metrics["limits"])

    answer = re.search(r"^pictures/unknown\.jpg: (.*), probability [01]\.\d{3}$", done.stdout, re.M)
    assert answer and answer[1] in ("generated", "real", ABSTAIN)
    assert "\nIt answers " in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("data", "logs", "pictures", "saved_models", "tutorial.py"),
    ]
