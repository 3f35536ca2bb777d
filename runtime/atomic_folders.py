"""Create folders that get their final name once all their content is on disk; leftovers of a crash
are removed when the next one is written."""

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import filelock

from runtime import atomic_files

TEMPORARY_FOLDER_SUFFIX = ".telltale-tmp"


@contextlib.contextmanager
def create_temporary_folder(folder: Path, name: str) -> Iterator[Path]:
    """Create a new folder inside `folder` to write into; it is deleted at the end unless it was
    moved away.

    A lock beside it lasts as long as its process, on whatever machine that runs: without it the
    folder is left over.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _remove_stale_folders(folder)
    path = folder / f".{name}.{secrets.token_hex(4)}{TEMPORARY_FOLDER_SUFFIX}"
    lock = path.with_name(f"{path.name}.lock")
    with filelock.FileLock(lock):
        path.mkdir()
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
            lock.unlink(missing_ok=True)


def _remove_stale_folders(folder: Path) -> None:
    for lock in folder.glob(f".*{TEMPORARY_FOLDER_SUFFIX}.lock"):
        with contextlib.suppress(filelock.Timeout, OSError), filelock.FileLock(lock, timeout=0):
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            lock.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Return once everything in a folder is on disk."""
    for path in (*folder.rglob("*"), folder):
        atomic_files.flush_to_disk(path)
