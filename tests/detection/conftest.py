"""The page, served by its command in a second process, and a browser to look at it."""

import functools
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@contextmanager
def serving(workplace: Path, folder: Path, *words: object) -> Iterator[Served]:
    """`python -m detection web` in its second process, with a folder of its own for temporary files; interrupted at the end."""
    (folder / "tmp").mkdir()
    command = [sys.executable, "-m", "detection", "web", "--model", "toy", "--port", "0", *map(str, words)]
    with (folder / "log").open("w") as log:
        environment = environment_of(TMPDIR=str(folder / "tmp"))
        process = subprocess.Popen(command, cwd=workplace, env=environment, stdout=log, stderr=log)
    try:
        yield Served(_port(process, folder / "log"), process, folder / "log")
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


@pytest.fixture(scope="session")
def served(workplace, tmp_path_factory) -> Iterator[Served]:
    with serving(workplace, tmp_path_factory.mktemp("served"), "--generator", "dcgan", "--largest", 2) as page:
        yield page


@pytest.fixture
def serve(workplace, tmp_path) -> Callable:
    """Serves another page, with other options."""
    return functools.partial(serving, workplace, tmp_path)


def _port(process: subprocess.Popen, log: Path) -> int:
    while process.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text()):
            return int(found[1])
        time.sleep(0.02)
    raise AssertionError(log.read_text())
