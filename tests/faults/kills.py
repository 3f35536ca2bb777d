"""`python tests/faults/kills.py --kills 20`: every long piece of work killed at random moments,
started again, and compared."""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

import numpy as np

from faults.victims import TRIALS, WORK
from runtime import console
from toys.commands import TRAIN_WORDS, build_collect_words, build_environment, run_command
from toys.images import write_face_folders
from training.detectors import card as detector_card
from training.detectors import saved_models

VICTIMS = Path(__file__).with_name("victims.py")

AT_ONCE = 4
"""Kills of one search or fine-tuning; after more of them hardly anything would be left to be
killed."""


@dataclass(frozen=True)
class Survived:
    """How often a piece of work was killed in its middle, and what it told when it was let
    finish."""

    kills: int
    told: Any


def started(work: str, folder: Path) -> subprocess.Popen:
    words, pipe = [sys.executable, str(VICTIMS), work, str(folder)], subprocess.PIPE
    return subprocess.Popen(
        words, cwd=folder, env=build_environment(), stdout=pipe, stderr=subprocess.STDOUT, text=True
    )


def finished(work: str, folder: Path) -> tuple[Any, float]:
    """What uninterrupted work tells, and the seconds that it took once it was ready."""
    with started(work, folder) as process:
        said = _until_ready(process)
        began = time.monotonic()
        said += process.stdout.read()
    assert process.returncode == 0, said
    return json.loads(said.strip().splitlines()[-1]), time.monotonic() - began


def _until_ready(process: subprocess.Popen) -> str:
    said = ""
    while "ready" not in said.splitlines():
        line = process.stdout.readline()
        assert line, said
        said += line
    return said


def survived(
    work: str, folder: Path, moments: list[float], look: Callable[[], None] = lambda: None
) -> Survived:
    """Kills the work so many seconds after it was ready, each time started again; looks at what is
    left; lets it finish."""
    kills = 0
    for moment in moments:
        with started(work, folder) as process:
            _until_ready(process)
            time.sleep(moment)
            kills += process.poll() is None
            process.kill()
        look()
    return Survived(kills, finished(work, folder)[0])


def extraction(made: Path, place: Path, kills: int, draw: random.Random) -> int:
    """The feature table is that of an uninterrupted run, bit for bit."""
    whole, again = (_copied(made, place / name) for name in ("whole", "killed"))
    finished("extraction", whole)  # exports the graph
    shutil.rmtree(whole / "data" / "faces" / "features")
    told, seconds = finished("extraction", whole)
    found = survived("extraction", again, _moments(draw, kills, seconds / 3))
    assert found.told == told
    return found.kills


def search(made: Path, place: Path, kills: int, draw: random.Random) -> int:
    """Every tuner completes as many trials as were asked for; each search is killed a few times."""
    done = 0
    for number in range(0, kills, AT_ONCE):
        folder = place / f"search{number}"
        folder.mkdir()
        found = survived("search", folder, _moments(draw, min(AT_ONCE, kills - number), 2.5))
        assert found.told == TRIALS, found.told
        done += found.kills
    return done


def finetuning(made: Path, place: Path, kills: int, draw: random.Random) -> int:
    """Losses and weights are those of an uninterrupted run, within 1e-6."""
    whole, done = _copied(made, place / "whole"), 0
    told, seconds = finished("finetuning", whole)
    for number in range(0, kills, AT_ONCE):
        again = _copied(made, place / f"killed{number}")
        found = survived(
            "finetuning", again, _moments(draw, min(AT_ONCE, kills - number), seconds / 2)
        )
        assert np.allclose(found.told, told, rtol=0, atol=1e-6), (found.told, told)
        with np.load(whole / "tuned.npz") as one, np.load(again / "tuned.npz") as other:
            furthest = max(float(np.abs(one[name] - other[name]).max()) for name in one.files)
        assert furthest <= 1e-6, furthest
        done += found.kills
    return done


def saving(made: Path, place: Path, kills: int, draw: random.Random) -> int:
    """The old model always loads, a new one is whole or absent, and nothing is left over in the
    end."""
    folder = _copied(made, place / "saving")
    found = survived(
        "saving", folder, _moments(draw, kills, 0.2), lambda: whole_models(folder / "saved_models")
    )
    whole_models(folder / "saved_models")
    assert found.told == 40 and not list((folder / "saved_models").glob(".*"))
    return found.kills


def whole_models(folder: Path) -> None:
    names = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    assert "toy" in names
    for name in names:
        card = detector_card.read_card(folder / name)
        assert card.name == name and all(
            saved_models.verify_model_file(folder / name, card, file) for file in card.sha256
        )


def _copied(made: Path, place: Path) -> Path:
    """A workplace without what other runs have computed in it."""
    return shutil.copytree(
        made, place, ignore=shutil.ignore_patterns("features", "searches", "boundaries", "logs")
    )


def _moments(draw: random.Random, kills: int, longest: float) -> list[float]:
    return [draw.uniform(0, longest) for _ in range(kills)]


KILLS = {"extraction": extraction, "search": search, "finetuning": finetuning, "saving": saving}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--work", nargs="*", choices=list(WORK), default=list(WORK))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        made = _made(Path(folder) / "made")
        rows = []
        for work in given.work:
            place = Path(folder) / work
            place.mkdir()
            rows.append(
                (work, *_outcome(work, made, place, given.kills, random.Random(given.seed)))
            )
            print(*rows[-1], flush=True)
    console.print_table("Killed and started again", ["work", "kills", "outcome", "time"], rows)


def _made(place: Path) -> Path:
    """A workplace with a collected data set and a trained detector."""
    for words in (
        build_collect_words(write_face_folders(place / "faces")),
        [*TRAIN_WORDS, "--trials", 4, "--epochs", 6, "--name", "toy"],
    ):
        done = run_command(*words, cwd=place)
        assert done.returncode == 0, done.stderr
    return place


def _outcome(
    work: str, made: Path, place: Path, kills: int, draw: random.Random
) -> tuple[int, str, str]:
    began = time.monotonic()
    try:
        kills, outcome = KILLS[work](made, place, kills, draw), "as it should be"
    except AssertionError as error:
        outcome = f"FAILED: {error}"
    return kills, outcome, f"{time.monotonic() - began:.0f} s"


if __name__ == "__main__":
    main()
