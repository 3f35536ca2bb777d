"""Folders that get their name when everything in them is on disk; what a crash left of one goes when the next is written."""

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import filelock

from data_collection import manifest

ENDING = ".telltale-tmp"


@contextlib.contextmanager
def temporary(folder: Path, name: str) -> Iterator[Path]:
    """A new folder inside `folder` to write into; what is in it is gone afterwards, unless it was moved away.

    A lock beside it lasts as long as its process, on whatever machine that runs: without it the folder is left over.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    path = folder / f".{name}.{secrets.token_hex(4)}{ENDING}"
    lock = path.with_name(f"{path.name}.lock")
    with filelock.FileLock(lock):
        path.mkdir()
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
            lock.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    for lock in folder.glob(f".*{ENDING}.lock"):
        with contextlib.suppress(filelock.Timeout, OSError), filelock.FileLock(lock, timeout=0):
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            lock.unlink(missing_ok=True)


def synced(folder: Path) -> None:
    """Returns when everything in a folder is on disk."""
    for path in (*folder.rglob("*"), folder):
        manifest.flushed(path)
