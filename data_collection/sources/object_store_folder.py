"""List the files of a folder in an object store, such as s3://bucket/faces, as candidates."""

import errno
import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from data_collection.dataset.manifest import ImageClass
from data_collection.images import decode
from data_collection.services.object_store import explain_store_error, open_object_store
from data_collection.source_types import CandidateFace, UnavailableImage
from data_collection.sources.local_folder import IGNORED_FILE_NAMES
from runtime import console

if TYPE_CHECKING:
    import fsspec


def list_object_store_candidates(url: str, label: ImageClass, source: str) -> list[CandidateFace]:
    """List every file under an address that fsspec opens, in a fixed order; skip hidden files.

    The faces are stable, or every run would download all of them again, so an object that was
    overwritten under its old name is not noticed.

    Raises:
        PlainError: no such store, bucket or folder, no access, or no network.
    """
    store, root = open_object_store(url)
    return [
        CandidateFace(
            label=label,
            source=source,
            file=name,
            load=functools.partial(_download_object, store, root + name, size),
            path=f"{url.rstrip('/')}/{name}",
            stable=True,
        )
        for name, size in sorted(_iterate_objects(store, root, url))
    ]


def _iterate_objects(
    store: "fsspec.AbstractFileSystem", root: str, url: str
) -> Iterator[tuple[str, int]]:
    """Yield names below the folder, and sizes in bytes.

    An empty listing is an error, because object stores have no empty folders.
    """
    try:
        listing = store.find(root, detail=True)
    except Exception as error:  # each store's library has a dozen types; STORE_ERROR_MESSAGES
        raise explain_store_error(error, url) from None
    below_root = {
        path.removeprefix(root): details
        for path, details in listing.items()
        if path.startswith(root)
    }
    if not below_root:
        raise console.PlainError(
            f"{url} holds no files; give a folder of images.", console.EXIT_REMOTE
        )
    for name, details in below_root.items():
        # A name that ends in a slash is how web consoles represent a folder.
        if name and not name.endswith("/") and not _is_ignored_object(name):
            yield name, details.get("size") or 0


def _is_ignored_object(name: str) -> bool:
    return any(part.startswith(".") or part in IGNORED_FILE_NAMES for part in name.split("/"))


def _download_object(store: "fsspec.AbstractFileSystem", path: str, size: int) -> bytes:
    """Return the object's bytes; raise OSError only for a fault of this one object.

    A row with an OSError is never tried again, so a store that fails as a whole must stop the run.
    """
    if size > decode.MAX_IMAGE_BYTES:
        raise UnavailableImage(f"larger than {decode.MAX_IMAGE_BYTES // 1_000_000} MB")
    try:
        return store.cat_file(path)
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, "no longer in the store") from None
    except Exception as error:  # as in _iterate_objects
        raise explain_store_error(error, store.unstrip_protocol(path)) from None
