"""Copy a data set to an object store and back: originals, images, manifest, splits, and the
features of frozen bases; nothing else.

Complete files are not copied again, so the same command continues an interrupted copy. The
manifest comes last: without it a folder is not a data set.
"""

import contextlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from data_collection.dataset import manifest, transferred_files
from data_collection.services import object_store
from runtime import atomic_files, console
from runtime.terminal.counting import choose_verb, format_count

if TYPE_CHECKING:
    import fsspec

APPEND_ONLY_FOLDERS = ("originals", "images", "features")
"""Folders whose files never change: a file of the same name and size is the same."""

FILES_PER_TRANSFER = 32
"""Files that are copied at the same time."""

MAX_BYTES_PER_TRANSFER = 256 << 20
"""Most bytes of files that are in memory at the same time, unless a single one is larger."""

MANIFEST_NAME = manifest.manifest_path(Path()).name


def upload_dataset(folder: Path, url: str) -> None:
    """Copy a data set into a folder of an object store.

    Raises:
        PlainError: there is no data set, store, bucket, access or network.
    """
    if not (folder / MANIFEST_NAME).is_file():
        raise console.PlainError(
            f"{folder} holds no data set; name the folder that {MANIFEST_NAME} lies in."
        )
    store, root = object_store.open_object_store(url)
    with atomic_files.lock_folder(folder):
        local = transferred_files.select_transferred(_list_local_files(folder))
        names = list_files_to_copy(local, _list_stored_files(store, root, url))
        for block in _track_batches(names, local, f"to {url}"):
            contents = {root + name: (folder / name).read_bytes() for name in block}
            with _translate_store_errors(url):
                store.pipe(contents)
    console.print_message(f"{url}: {format_count(len(names), 'file')} copied.")


def download_dataset(url: str, folder: Path) -> None:
    """Copy a data set from an object store; its files replace local ones of the same name.

    Raises:
        PlainError: there is no data set, store, bucket, access or network, or too little room; a
            file is too large, or a folder in `folder` is a link.
    """
    store, root = object_store.open_object_store(url)
    found = _list_stored_files(store, root, url)
    if MANIFEST_NAME not in found:
        raise console.PlainError(
            f"{url} holds no data set; name the folder that {MANIFEST_NAME} lies in.",
            console.EXIT_REMOTE,
        )
    stored = transferred_files.select_transferred(found)
    with atomic_files.lock_folder(folder):
        names = list_files_to_copy(stored, _list_local_files(folder))
        _refuse_links(folder, names)
        _check_free_space(folder, sum(stored[name] for name in names))
        for block in _track_batches(names, stored, f"from {url}"):
            with _translate_store_errors(url):
                contents = store.cat([root + name for name in block])
            for name in block:
                atomic_files.write_atomically(folder / name, contents[root + name])
    console.print_message(f"{folder}: {format_count(len(names), 'file')} copied.")
    if n_others := len(found) - len(stored):
        console.print_message(
            f"{format_count(n_others, 'other file')} {choose_verb(n_others, 'was', 'were')} left "
            f"there, as {choose_verb(n_others, 'it is', 'they are')} not part of a data set."
        )


def _refuse_links(folder: Path, names: Iterable[str]) -> None:
    """Raise PlainError if a file would be written through a link out of the folder."""
    parents = {parent for name in names for parent in PurePosixPath(name).parents}
    for parent in sorted(parents - {PurePosixPath()}):
        if (folder / parent).is_symlink():
            raise console.PlainError(
                f"{folder / parent} is a link, so files would be written elsewhere; remove it, or "
                "download to another folder."
            )


def _check_free_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise console.PlainError(
            f"The data set has {needed / 1e9:.1f} GB, and {folder} has {free / 1e9:.1f} GB left; "
            "free some space, or download to another disk.",
            console.EXIT_DISK,
        )


def _track_batches(
    names: list[str], sizes: Mapping[str, int], direction: str
) -> Iterable[list[str]]:
    batches = split_into_batches(names, sizes)
    text = f"{direction}, {FILES_PER_TRANSFER} files at a time"
    return console.track_progress(batches, text, len(batches))


def split_into_batches(names: list[str], sizes: Mapping[str, int]) -> list[list[str]]:
    """Split names into batches that are copied together; the manifest comes last, alone."""
    batches: list[list[str]] = []
    n_bytes = 0
    for name in names:
        if name == MANIFEST_NAME:
            continue
        n_bytes += sizes[name]
        if (
            not batches
            or len(batches[-1]) == FILES_PER_TRANSFER
            or n_bytes > MAX_BYTES_PER_TRANSFER
        ):
            batches.append([])
            n_bytes = sizes[name]
        batches[-1].append(name)
    return [*batches, [MANIFEST_NAME]] if MANIFEST_NAME in names else batches


def _list_stored_files(store: "fsspec.AbstractFileSystem", root: str, url: str) -> dict[str, int]:
    """Return names below the folder, with sizes; empty if the folder does not exist yet."""
    with _translate_store_errors(url):
        try:
            details_by_path = store.find(root, detail=True)
        except FileNotFoundError:
            details_by_path = {}
    return {
        path.removeprefix(root): details.get("size") or 0
        for path, details in details_by_path.items()
        if path.startswith(root)
    }


def _list_local_files(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def list_files_to_copy(source: Mapping[str, int], target: Mapping[str, int]) -> list[str]:
    """Return the names to copy: all but unchanged append-only files."""
    return [name for name in sorted(source) if not _is_unchanged(name, source, target)]


def _is_unchanged(name: str, source: Mapping[str, int], target: Mapping[str, int]) -> bool:
    return PurePosixPath(name).parts[0] in APPEND_ONLY_FOLDERS and target.get(name) == source[name]


@contextlib.contextmanager
def _translate_store_errors(url: str) -> Iterator[None]:
    """Turn errors of the store into a PlainError."""
    try:
        yield
    except Exception as error:  # every store's library has a dozen error types of its own
        raise object_store.explain_store_error(error, url) from None
