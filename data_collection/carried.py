"""A data set carried to an object store and back: originals, pictures, manifest, splits, and the features of frozen bases.

What is complete is not carried again, so a broken copy goes on with the same command. The manifest comes last: a data set in
the making is none yet.
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from data_collection import console, manifest, remote_folder

if TYPE_CHECKING:
    import fsspec

NEVER_CHANGED = ("originals", "images", "features")
"""Folders whose files are only ever added: where name and size agree, the file does."""

LEFT = ("boundaries", "searches", "drawn")
"""Folders that are quicker to make again, or are not part of the data set yet."""

TOGETHER = 32
"""Files that are on their way at a time."""

MANIFEST = manifest.manifest_path(Path()).name


def push(folder: Path, url: str) -> None:
    """Copies a data set into a folder of an object store.

    Raises:
        PlainError: no data set, no such store or bucket, no access, or no network.
    """
    if not (folder / MANIFEST).is_file():
        raise console.PlainError(f"{folder} holds no data set; name the folder that {MANIFEST} lies in.")
    store, root = remote_folder.open_store(url)
    with manifest.locked(folder):
        there, here = _in_store(store, root, url), _on_disk(folder)
        names = wanted(here, there)
        for block in console.progress(blocks(names), f"to {url}, {TOGETHER} files at a time", len(blocks(names))):
            contents = {root + name: (folder / name).read_bytes() for name in block}
            with _told(url):
                store.pipe(contents)
    console.say(f"{url}: {len(names)} files copied.")


def pull(url: str, folder: Path) -> None:
    """Copies a data set out of an object store; a file that is here under the same name gives way to the store's.

    Raises:
        PlainError: no data set there, no such store or bucket, no access, no network, or a name that leads elsewhere.
    """
    store, root = remote_folder.open_store(url)
    there = _in_store(store, root, url)
    if MANIFEST not in there:
        raise console.PlainError(f"{url} holds no data set; name the folder that {MANIFEST} lies in.", console.REMOTE)
    outside = next((name for name in there if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts), None)
    if outside:
        raise console.PlainError(f"{url} has a file {outside}, which would lie outside of {folder}; remove it there.")
    with manifest.locked(folder):
        names = wanted(there, _on_disk(folder))
        for block in console.progress(blocks(names), f"from {url}, {TOGETHER} files at a time", len(blocks(names))):
            with _told(url):
                found = store.cat([root + name for name in block])
            for name in block:
                manifest.write_whole(folder / name, found[root + name])
    console.say(f"{folder}: {len(names)} files copied.")


def blocks(names: list[str]) -> list[list[str]]:
    """As many as travel together; what comes last travels alone."""
    body, last = [name for name in names if name != MANIFEST], [name for name in names if name == MANIFEST]
    found = [body[start : start + TOGETHER] for start in range(0, len(body), TOGETHER)]
    return found + ([last] if last else [])


def _in_store(store: "fsspec.AbstractFileSystem", root: str, url: str) -> dict[str, int]:
    """Names below the folder, and sizes; empty where there is no such folder yet."""
    with _told(url):
        try:
            found = store.find(root, detail=True)
        except FileNotFoundError:
            found = {}
    return {path.removeprefix(root): about.get("size") for path, about in found.items() if path.startswith(root)}


def _on_disk(folder: Path) -> dict[str, int]:
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def wanted(source: Mapping[str, int], target: Mapping[str, int]) -> list[str]:
    """Names to copy: all but hidden files, what is LEFT, and what the target has and never changes."""
    return [name for name in sorted(source) if _carried(name) and not _same(name, source, target)]


def _carried(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.endswith("/") and parts[0] not in LEFT and not any(part.startswith(".") for part in parts)


def _same(name: str, source: Mapping[str, int], target: Mapping[str, int]) -> bool:
    return PurePosixPath(name).parts[0] in NEVER_CHANGED and target.get(name) == source[name]


@contextlib.contextmanager
def _told(url: str) -> Iterator[None]:
    """Faults of the store in one sentence."""
    try:
        yield
    except Exception as error:  # every store's library has its own dozen types
        raise remote_folder.plainly(error, url) from None
