"""Write files that are either complete or absent, flush them to disk, and lock folders.

Every temporary file is named `.NAME.PID.tmp`; `remove_temp_files` deletes what a killed run left
behind."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import filelock

from runtime import console


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is complete or absent: temporary name, fsync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def flush_to_disk(path: Path) -> None:
    """Return once a file is on disk; for a folder, once the names in it are."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder; the system frees it when the process ends, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(folder / ".lock", timeout=0):
            yield
    except filelock.Timeout:
        raise console.PlainError(
            f"Another command is writing {folder}; wait until it has ended.", console.EXIT_BUSY
        ) from None


def remove_temp_files(folder: Path) -> None:
    """Delete the temporary files that a killed run left in a data set."""
    for pattern in (".*.tmp", "originals/**/.*.tmp", "images/**/.*.tmp"):
        for path in folder.glob(pattern):
            path.unlink()
