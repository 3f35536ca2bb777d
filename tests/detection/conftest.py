"""The page, served by its command in a second process."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from toys import environment_of


@dataclass(frozen=True)
class Served:
    """A running page."""

    port: int
    process: subprocess.Popen
    log: Path


@pytest.fixture(scope="session")
def served(workplace, tmp_path_factory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "tmp").mkdir()
    words = [
        sys.executable,
        "-m",
        "detection",
        "web",
        "--model",
        "toy",
        "--port",
        "0",
        "--generator",
        "dcgan",
        "--largest",
        "2",
    ]
    with (folder / "log").open("w") as log:
        environment = environment_of(TMPDIR=str(folder / "tmp"))
        process = subprocess.Popen(words, cwd=workplace, env=environment, stdout=log, stderr=log)
    try:
        yield Served(_port(process, folder / "log"), process, folder / "log")
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def _port(process: subprocess.Popen, log: Path) -> int:
    while process.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text()):
            return int(found[1])
    raise AssertionError(log.read_text())
