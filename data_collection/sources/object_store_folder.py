"""Folders in an object store, such as s3://bucket/faces or gs://bucket/faces: what found_faces.in_folder is to a disk."""

import errno
import functools
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from data_collection.images import decode
from data_collection.services.object_store import explain_store_error, open_object_store
from data_collection.source_types import CandidateFace, UnavailableImage
from data_collection.sources.facts_csv import FACT_COLUMNS
from data_collection.sources.local_folder import IGNORED_FILE_NAMES
from runtime import console

if TYPE_CHECKING:
    import fsspec


def list_object_store_candidates(
    url: str, label: str, source: str, facts: Mapping[str, Mapping[str, object]]
) -> list[CandidateFace]:
    """Every file under an address that fsspec opens, in a fixed order; hidden files are passed over.

    The faces are lasting, or every run would download all of them again: an object that was overwritten under its old
    name is not noticed. A photograph has no prompt, seed or generator: of a CSV's facts only its person counts.

    Raises:
        PlainError: no such store, bucket or folder, no access, or no network.
    """
    store, root = open_object_store(url)
    allowed = FACT_COLUMNS if label == "generated" else ("person",)
    return [
        CandidateFace(
            label,
            source,
            name,
            functools.partial(_download_object, store, root + name, size),
            lasting=True,
            **{
                fact: value
                for fact, value in facts.get(PurePosixPath(name).name, {}).items()
                if fact in allowed
            },
        )
        for name, size in sorted(_iterate_objects(store, root, url))
    ]


def _iterate_objects(
    store: "fsspec.AbstractFileSystem", root: str, url: str
) -> Iterator[tuple[str, int]]:
    """Names below the folder, and sizes in bytes; an empty listing is an error, for stores have no empty folders."""
    try:
        found = store.find(root, detail=True)
    except Exception as error:  # every store's library has its own dozen types; FAULTS sorts them
        raise explain_store_error(error, url) from None
    below = {
        path.removeprefix(root): about for path, about in found.items() if path.startswith(root)
    }
    if not below:
        raise console.PlainError(
            f"{url} holds no files; give a folder of images.", console.EXIT_REMOTE
        )
    for name, about in below.items():
        # A name that ends in a slash is how web consoles draw a folder.
        if name and not name.endswith("/") and not _is_ignored_object(name):
            yield name, about.get("size") or 0


def _is_ignored_object(name: str) -> bool:
    return any(part.startswith(".") or part in IGNORED_FILE_NAMES for part in name.split("/"))


def _download_object(store: "fsspec.AbstractFileSystem", path: str, size: int) -> bytes:
    """The object's bytes; OSError is for what concerns this one alone.

    A row with an OSError is never looked at again, so a store that fails as a whole must stop the run instead.
    """
    if size > decode.MAX_IMAGE_BYTES:
        raise UnavailableImage(f"larger than {decode.MAX_IMAGE_BYTES // 1_000_000} MB")
    try:
        return store.cat_file(path)
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, "no longer in the store") from None
    except Exception as error:  # as in _listed
        raise explain_store_error(error, store.unstrip_protocol(path)) from None
