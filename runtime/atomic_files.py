"""Write files and folders that are either complete or absent, flush them to disk, and lock folders.

Every temporary file is named `.NAME.PID.tmp`; `remove_temp_files` deletes what a killed run left
behind. A temporary folder is deleted when the next one is created beside it."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from runtime import console

TEMPORARY_FOLDER_SUFFIX = ".telltale-tmp"


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is complete or absent: temporary name, fsync, rename.

    A device or a pipe is written to: the rename would put a file in its place.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        path.write_bytes(data)
        return
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
def lock_folder(folder: Path, wait_s: float = 0) -> Iterator[None]:
    """Hold the lock of a folder; the system frees it when the process ends, whatever ends it.

    Args:
        wait_s: seconds to wait while another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    message = f"Another command is writing {folder}; wait until it has ended."
    with lock_file(folder / ".lock", message, wait_s):
        yield


@contextlib.contextmanager
def lock_file(lock: Path, busy_message: str, wait_s: float = 0) -> Iterator[None]:
    """Hold a lock, as lock_folder does.

    Raises:
        PlainError: another process holds it; with `busy_message`.
    """
    import filelock  # imports asyncio and sqlite3: 50 ms of the start of a detection

    try:
        with filelock.FileLock(lock, timeout=wait_s):
            yield
    except filelock.Timeout:
        raise console.PlainError(busy_message, console.EXIT_BUSY) from None


def remove_temp_files(folder: Path) -> None:
    """Delete the temporary files that a killed run left in a data set."""
    for pattern in (".*.tmp", "originals/**/.*.tmp", "images/**/.*.tmp"):
        for path in folder.glob(pattern):
            path.unlink()


@contextlib.contextmanager
def create_temporary_folder(folder: Path, name: str) -> Iterator[Path]:
    """Create a folder inside `folder` to write into; delete it at the end unless it was moved.

    A lock beside it lasts as long as the process, on whatever machine it runs; a folder whose lock
    is free was left behind.
    """
    import filelock

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
    import filelock

    for lock in folder.glob(f".*{TEMPORARY_FOLDER_SUFFIX}.lock"):
        with contextlib.suppress(filelock.Timeout, OSError), filelock.FileLock(lock, timeout=0):
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            lock.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Return once everything in a folder is on disk."""
    for path in (*folder.rglob("*"), folder):
        flush_to_disk(path)
