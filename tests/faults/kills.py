"""`python tests/faults/kills.py --kills 20`: kill every long piece of work at random moments, start
it again, and compare the results with those of uninterrupted work."""

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
from training.detectors import own_detectors, saved_models

VICTIMS = Path(__file__).with_name("victims.py")

KILLS_PER_RUN = 4
"""Kills of one search or fine-tuning; after more of them hardly any work would be left to kill."""


@dataclass(frozen=True)
class KilledRun:
    """The number of times that work was killed before its end, and its result after the last
    start."""

    n_kills: int
    result: Any


def start_work(work: str, folder: Path) -> subprocess.Popen:
    words, pipe = [sys.executable, str(VICTIMS), work, str(folder)], subprocess.PIPE
    return subprocess.Popen(
        words, cwd=folder, env=build_environment(), stdout=pipe, stderr=subprocess.STDOUT, text=True
    )


def run_to_end(work: str, folder: Path) -> tuple[Any, float]:
    """Return the result of uninterrupted work, and its seconds from "ready" on."""
    with start_work(work, folder) as process:
        output = _read_until_ready(process)
        start = time.monotonic()
        output += process.stdout.read()
    assert process.returncode == 0, output
    return json.loads(output.strip().splitlines()[-1]), time.monotonic() - start


def _read_until_ready(process: subprocess.Popen) -> str:
    output = ""
    while "ready" not in output.splitlines():
        line = process.stdout.readline()
        assert line, output
        output += line
    return output


def run_with_kills(
    work: str, folder: Path, moments: list[float], check: Callable[[], None] = lambda: None
) -> KilledRun:
    """Start the work once per moment, in seconds after "ready", and kill it then; call `check`
    after each kill; at last let it finish."""
    n_kills = 0
    for moment in moments:
        with start_work(work, folder) as process:
            _read_until_ready(process)
            time.sleep(moment)
            n_kills += process.poll() is None
            process.kill()
        check()
    return KilledRun(n_kills, run_to_end(work, folder)[0])


def kill_extraction(workplace: Path, folder: Path, max_kills: int, generator: random.Random) -> int:
    """Check that the feature table is that of an uninterrupted run, bit for bit."""
    uninterrupted, killed = (_copy_workplace(workplace, folder / name) for name in ("a", "b"))
    run_to_end("extraction", uninterrupted)  # exports the graph
    shutil.rmtree(uninterrupted / "data" / "faces" / "features")
    expected, seconds = run_to_end("extraction", uninterrupted)
    run = run_with_kills("extraction", killed, _draw_moments(generator, max_kills, seconds / 3))
    assert run.result == expected
    return run.n_kills


def kill_search(workplace: Path, folder: Path, max_kills: int, generator: random.Random) -> int:
    """Check that every tuner completes as many trials as requested, despite several kills."""
    n_kills = 0
    for number in range(0, max_kills, KILLS_PER_RUN):
        search_folder = folder / f"search{number}"
        search_folder.mkdir()
        count = min(KILLS_PER_RUN, max_kills - number)
        run = run_with_kills("search", search_folder, _draw_moments(generator, count, 2.5))
        assert run.result == TRIALS, run.result
        n_kills += run.n_kills
    return n_kills


def kill_finetuning(workplace: Path, folder: Path, max_kills: int, generator: random.Random) -> int:
    """Check that losses and weights are those of an uninterrupted run, within 1e-6."""
    uninterrupted, n_kills = _copy_workplace(workplace, folder / "uninterrupted"), 0
    expected, seconds = run_to_end("finetuning", uninterrupted)
    for number in range(0, max_kills, KILLS_PER_RUN):
        killed = _copy_workplace(workplace, folder / f"killed{number}")
        count = min(KILLS_PER_RUN, max_kills - number)
        run = run_with_kills("finetuning", killed, _draw_moments(generator, count, seconds / 2))
        assert np.allclose(run.result, expected, rtol=0, atol=1e-6), (run.result, expected)
        with (
            np.load(uninterrupted / "tuned.npz") as expected_weights,
            np.load(killed / "tuned.npz") as weights,
        ):
            largest = max(
                float(np.abs(expected_weights[name] - weights[name]).max())
                for name in expected_weights.files
            )
        assert largest <= 1e-6, largest
        n_kills += run.n_kills
    return n_kills


def kill_saving(workplace: Path, folder: Path, max_kills: int, generator: random.Random) -> int:
    """Check that the old model always loads, that a new one is whole or absent, and that nothing
    is left over."""
    copy = _copy_workplace(workplace, folder / "saving")
    models = copy / "saved_models"
    moments = _draw_moments(generator, max_kills, 0.2)
    run = run_with_kills("saving", copy, moments, lambda: check_models(models))
    check_models(models)
    left_over = {path.name for path in models.glob(".*")} - {own_detectors.MARKS_FOLDER}
    assert run.result == 40 and left_over == set()
    return run.n_kills


def check_models(folder: Path) -> None:
    names = [path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != "."]
    assert "toy" in names
    for name in names:
        card = detector_card.read_card(folder / name)
        assert card.name == name and all(
            saved_models.verify_model_file(folder / name, card, file) for file in card.sha256
        )


def _copy_workplace(workplace: Path, folder: Path) -> Path:
    """Copy a workplace without the results of other runs."""
    return shutil.copytree(
        workplace,
        folder,
        ignore=shutil.ignore_patterns("features", "searches", "boundaries", "logs"),
    )


def _draw_moments(generator: random.Random, count: int, longest: float) -> list[float]:
    return [generator.uniform(0, longest) for _ in range(count)]


KILLS = {
    "extraction": kill_extraction,
    "search": kill_search,
    "finetuning": kill_finetuning,
    "saving": kill_saving,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--work", nargs="*", choices=list(WORK), default=list(WORK))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        workplace = _create_workplace(Path(name) / "workplace")
        rows = []
        for work in options.work:
            folder = Path(name) / work
            folder.mkdir()
            generator = random.Random(options.seed)
            rows.append((work, *_run_kills(work, workplace, folder, options.kills, generator)))
            print(*rows[-1], flush=True)
    console.print_table("Killed and started again", ["work", "kills", "outcome", "time"], rows)


def _create_workplace(folder: Path) -> Path:
    """Create a workplace with a collected data set and a trained detector."""
    for words in (
        build_collect_words(write_face_folders(folder / "faces")),
        [*TRAIN_WORDS, "--trials", 4, "--epochs", 6, "--name", "toy"],
    ):
        done = run_command(*words, cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


def _run_kills(
    work: str, workplace: Path, folder: Path, max_kills: int, generator: random.Random
) -> tuple[int, str, str]:
    start, n_kills = time.monotonic(), max_kills
    try:
        n_kills = KILLS[work](workplace, folder, max_kills, generator)
        outcome = "as it should be"
    except AssertionError as error:
        outcome = f"FAILED: {error}"
    return n_kills, outcome, f"{time.monotonic() - start:.0f} s"


if __name__ == "__main__":
    main()
