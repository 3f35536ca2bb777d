"""A search shared by a chief and two workers, as real processes; one worker is killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime import console
from toys.commands import REPOSITORY_ROOT, build_environment
from training.head_search import tuner_runs

TRIALS = 12

SEARCH = """
import json, os, signal, sys, time
from pathlib import Path
from training import keras_startup
keras_startup.start_keras()
from runtime import console
from toys.features import make_toy_features
from training.head_search import batched_training, search, tuner_runs
from training.run_folders import RunFolders
from training.settings import SearchConfig

train_heads, batches = batched_training.train_heads, []

def train(features, plans, *args):
    batches.append(len(plans))
    if "slow" in sys.argv:
        time.sleep(1)
    if "dies" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)
    return train_heads(features, plans, *args)

def main():
    batched_training.train_heads, tuner_runs.CHIEF_TIMEOUT_S = train, 20
    folders = RunFolders(Path(), Path("logs"), Path())
    config = SearchConfig(tuner="hyperband", trials=12, epochs=9, batch_size=16, seed=0)
    trials = search.search_heads({"mobilenet_v2": make_toy_features()}, config, "", folders)
    print(json.dumps([sum(batches), [[trial.hyperband, trial.loss] for trial in trials]]))

console.run_command(main)
"""


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Start a chief or a worker; processes that still run at the end of the test are killed."""
    processes = []

    def start_process(name: str, port: int, *words: str) -> subprocess.Popen:
        shared = {
            "KERASTUNER_TUNER_ID": name,
            "KERASTUNER_ORACLE_IP": "127.0.0.1",
            "KERASTUNER_ORACLE_PORT": str(port),
        }
        environment = build_environment(**shared) | {
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY_ROOT), str(REPOSITORY_ROOT / "tests")])
        }
        script, pipe = [sys.executable, "-c", SEARCH, *words], subprocess.PIPE
        processes.append(
            subprocess.Popen(
                script, cwd=tmp_path, env=environment, stdout=pipe, stderr=pipe, text=True
            )
        )
        return processes[-1]

    yield start_process
    for process in processes:
        process.kill()
        process.communicate()


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def last_line(process: subprocess.Popen) -> list:
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    return json.loads(out.strip().splitlines()[-1])


@pytest.mark.slow
def test_a_killed_worker_that_is_started_again_carries_its_trials_on_and_the_chief_has_them_all(
    start, tmp_path
):
    port = free_port()
    chief, first = start("chief", port), start("tuner0", port)
    dying = start("tuner1", port, "dies")
    dying.communicate(timeout=200)
    assert dying.returncode == -signal.SIGKILL
    again = start("tuner1", port)
    trained, trials = zip(*(last_line(worker) for worker in (first, again)), strict=True)
    assert trials == ([], []) and sum(trained) == TRIALS and min(trained) > 0
    trained, trials = last_line(chief)
    assert trained == 0 and len(trials) == TRIALS
    assert [loss for _, loss in trials] == sorted(loss for _, loss in trials)
    assert any("tuner/trial_id" in hyperband for hyperband, _ in trials)
    assert not list(tmp_path.rglob("checkpoint*"))


@pytest.mark.slow
def test_a_chief_that_died_is_started_again_and_its_worker_too(start, tmp_path):
    port = free_port()
    chief, worker = start("chief", port), start("tuner0", port, "slow")
    until = time.monotonic() + 150
    while count_completed(tmp_path) < 2:
        assert time.monotonic() < until
        time.sleep(0.1)
    chief.kill()
    chief.communicate()
    _, err = worker.communicate(timeout=200)
    assert (
        worker.returncode == console.EXIT_REMOTE
        and "does not answer. Start it, then start this worker again" in err
    )
    before = count_completed(tmp_path)
    assert 2 <= before < TRIALS
    chief, worker = start("chief", port), start("tuner0", port)
    trained, _ = last_line(worker)
    _, trials = last_line(chief)
    assert TRIALS - before <= trained < TRIALS and len(trials) == TRIALS


def count_completed(folder: Path) -> int:
    return sum('"COMPLETED"' in path.read_text() for path in folder.rglob("trial.json"))


@pytest.mark.slow
def test_a_port_that_is_taken_is_reported_in_one_sentence(start):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        chief = start("chief", listening.getsockname()[1])
        _, err = chief.communicate(timeout=200)
    assert chief.returncode == 2
    assert "error: The chief cannot listen at 127.0.0.1:" in err and "Traceback" not in err


def test_half_an_address_is_refused(monkeypatch):
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    with pytest.raises(console.PlainError, match="KERASTUNER_ORACLE_PORT"):
        tuner_runs.get_chief_address()
