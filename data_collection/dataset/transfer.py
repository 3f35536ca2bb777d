"""Copy a data set to an object store and back: originals, images, manifest, splits, and the
features of frozen bases.

Complete files are not copied again, so the same command continues an interrupted copy. The
manifest comes last: without it a folder is not a data set.
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from data_collection.dataset import manifest
from data_collection.services import object_store
from runtime import atomic_files, console

if TYPE_CHECKING:
    import fsspec

APPEND_ONLY_FOLDERS = ("originals", "images", "features")
"""Folders whose files never change: a file of the same name and size is the same."""

SKIPPED_FOLDERS = ("boundaries", "searches", "pregenerated")
"""Folders that are quicker to create again, or that are not part of the data set yet."""

FILES_PER_TRANSFER = 32
"""Files that are copied at the same time."""

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
        names = list_files_to_copy(_list_local_files(folder), _list_stored_files(store, root, url))
        for block in console.track_progress(
            split_into_batches(names),
            f"to {url}, {FILES_PER_TRANSFER} files at a time",
            len(split_into_batches(names)),
        ):
            contents = {root + name: (folder / name).read_bytes() for name in block}
            with _translate_store_errors(url):
                store.pipe(contents)
    console.print_message(f"{url}: {len(names)} files copied.")


def download_dataset(url: str, folder: Path) -> None:
    """Copy a data set from an object store; its files replace local ones of the same name.

    Raises:
        PlainError: there is no data set, store, bucket, access or network, or the name of a file
            leads out of the folder.
    """
    store, root = object_store.open_object_store(url)
    stored = _list_stored_files(store, root, url)
    if MANIFEST_NAME not in stored:
        raise console.PlainError(
            f"{url} holds no data set; name the folder that {MANIFEST_NAME} lies in.",
            console.EXIT_REMOTE,
        )
    outside = next(
        (
            name
            for name in stored
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts
        ),
        None,
    )
    if outside:
        raise console.PlainError(
            f"{url} has a file {outside}, which would lie outside of {folder}; remove it there."
        )
    with atomic_files.lock_folder(folder):
        names = list_files_to_copy(stored, _list_local_files(folder))
        for block in console.track_progress(
            split_into_batches(names),
            f"from {url}, {FILES_PER_TRANSFER} files at a time",
            len(split_into_batches(names)),
        ):
            with _translate_store_errors(url):
                contents = store.cat([root + name for name in block])
            for name in block:
                atomic_files.write_atomically(folder / name, contents[root + name])
    console.print_message(f"{folder}: {len(names)} files copied.")


def split_into_batches(names: list[str]) -> list[list[str]]:
    """Split names into batches that are copied together; the manifest comes last, alone."""
    others = [name for name in names if name != MANIFEST_NAME]
    batches = [
        others[start : start + FILES_PER_TRANSFER]
        for start in range(0, len(others), FILES_PER_TRANSFER)
    ]
    return [*batches, [MANIFEST_NAME]] if MANIFEST_NAME in names else batches


def _list_stored_files(store: "fsspec.AbstractFileSystem", root: str, url: str) -> dict[str, int]:
    """Return names below the folder, with sizes; empty if the folder does not exist yet."""
    with _translate_store_errors(url):
        try:
            details_by_path = store.find(root, detail=True)
        except FileNotFoundError:
            details_by_path = {}
    return {
        path.removeprefix(root): details.get("size")
        for path, details in details_by_path.items()
        if path.startswith(root)
    }


def _list_local_files(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file()
    }


def list_files_to_copy(source: Mapping[str, int], target: Mapping[str, int]) -> list[str]:
    """Return the names to copy: all but hidden files, SKIPPED_FOLDERS, and unchanged
    append-only files."""
    return [
        name
        for name in sorted(source)
        if _is_transferred(name) and not _is_unchanged(name, source, target)
    ]


def _is_transferred(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return (
        bool(parts)
        and not name.endswith("/")
        and parts[0] not in SKIPPED_FOLDERS
        and not any(part.startswith(".") for part in parts)
    )


def _is_unchanged(name: str, source: Mapping[str, int], target: Mapping[str, int]) -> bool:
    return PurePosixPath(name).parts[0] in APPEND_ONLY_FOLDERS and target.get(name) == source[name]


@contextlib.contextmanager
def _translate_store_errors(url: str) -> Iterator[None]:
    """Turn errors of the store into a PlainError."""
    try:
        yield
    except Exception as error:  # every store's library has a dozen error types of its own
        raise object_store.explain_store_error(error, url) from None
