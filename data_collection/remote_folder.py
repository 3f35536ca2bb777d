"""Folders in an object store, such as s3://bucket/faces or gs://bucket/faces: what found_faces.in_folder is to a disk."""

import errno
import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from data_collection import console, face_images
from data_collection.found_faces import JUNK, KNOWN_FACTS, FoundFace, NotAFile

if TYPE_CHECKING:
    import fsspec

NO_STORES = {
    "http": "a web page cannot be listed; download its images, or give an address such as s3://bucket/faces",
    "https": "a web page cannot be listed; download its images, or give an address such as s3://bucket/faces",
    "file": "a folder of this machine is given by its path alone",
    "local": "a folder of this machine is given by its path alone",
}
"""Addresses that are refused, and what to do instead."""

PACKAGES = {
    **dict.fromkeys(("s3", "s3a"), "s3fs: pip install -r requirements-s3.txt"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs: pip install gcsfs"),
    **dict.fromkeys(("az", "abfs", "abfss"), "adlfs: pip install adlfs"),
}
"""What opens a store; of the others, fsspec knows the package."""

# By name, because the packages that raise these need not be installed.
FAULTS = {
    "FileNotFoundError": "there is no such bucket or folder; check its name",
    "ParamValidationError": "that is no name of a bucket; check it",
    "PermissionError": "access is denied; check the credentials, and whether they may list, read and write there",
    "NoCredentialsError": "no credentials were found; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
    "FSSPEC_S3_ANON=true for a public bucket",
    "DefaultCredentialsError": "no credentials were found; run gcloud auth application-default login",
    **dict.fromkeys(
        ("PartialCredentialsError", "ProfileNotFound", "CredentialRetrievalError", "SSOError", "RefreshError"),
        "the credentials are incomplete or have expired; renew them",
    ),
    **dict.fromkeys(
        ("ConnectionError", "HTTPClientError", "ClientConnectionError", "TimeoutError"),
        "it does not answer; check the network and run again",
    ),
}
"""Exceptions of the stores' libraries and of their bases: what they mean and what to do."""


def is_remote(text: str) -> bool:
    """Whether a folder is given as an address (s3://bucket/faces) rather than as a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


def in_remote_folder(url: str, label: str, source: str, facts: Mapping[str, Mapping[str, object]]) -> list[FoundFace]:
    """Every file under an address that fsspec opens, in a fixed order; hidden files are passed over.

    The faces are lasting, or every run would download all of them again: an object that was overwritten under its old
    name is not noticed. A photograph has no prompt, seed or generator: of a CSV's facts only its person counts.

    Raises:
        PlainError: no such store, bucket or folder, no access, or no network.
    """
    store, root = open_store(url)
    allowed = KNOWN_FACTS if label == "generated" else ("person",)
    return [
        FoundFace(
            label,
            source,
            name,
            functools.partial(_load, store, root + name, size),
            lasting=True,
            **{fact: value for fact, value in facts.get(PurePosixPath(name).name, {}).items() if fact in allowed},
        )
        for name, size in sorted(_listed(store, root, url))
    ]


def open_store(url: str) -> "tuple[fsspec.AbstractFileSystem, str]":
    """The store of an address, and the folder in it, with a slash at its end; asks nothing over the network.

    Raises:
        PlainError: the address is none of a store, holds a password, or its package is missing.
    """
    import fsspec
    from fsspec.registry import known_implementations  # `fsspec.registry` is a mapping that hides the module

    scheme, _, place = url.partition("://")
    if ":" in place.partition("/")[0].rpartition("@")[0]:
        raise console.PlainError(f"The {scheme}:// address holds a password; leave it out, and set it in the environment.")
    if scheme in NO_STORES or not place.strip("/"):
        raise console.PlainError(f"{url} names no folder in a store: {NO_STORES.get(scheme, 'it needs a bucket')}.")
    try:
        # A kept instance would also keep the listing and the credentials of an earlier call.
        store, root = fsspec.url_to_fs(url, skip_instance_cache=True)
    except ImportError:
        package = PACKAGES.get(scheme) or f"a package: {known_implementations[scheme].get('err')}"
        raise console.PlainError(f"{url} needs {package}") from None
    except ValueError:
        raise console.PlainError(f"{url} is no address of a known kind; write s3://bucket/faces, for one.") from None
    except Exception as error:  # some stores look for credentials already here
        raise plainly(error, url) from None
    return store, root.rstrip("/") + "/"


def _listed(store: "fsspec.AbstractFileSystem", root: str, url: str) -> Iterator[tuple[str, int]]:
    """Names below the folder, and sizes in bytes; an empty listing is an error, for stores have no empty folders."""
    try:
        found = store.find(root, detail=True)
    except Exception as error:  # every store's library has its own dozen types; FAULTS sorts them
        raise plainly(error, url) from None
    below = {path.removeprefix(root): about for path, about in found.items() if path.startswith(root)}
    if not below:
        raise console.PlainError(f"{url} holds no files; give a folder of images.", console.REMOTE)
    for name, about in below.items():
        # A name that ends in a slash is how web consoles draw a folder.
        if name and not name.endswith("/") and not _passed_over(name):
            yield name, about.get("size") or 0


def _passed_over(name: str) -> bool:
    return any(part.startswith(".") or part in JUNK for part in name.split("/"))


def _load(store: "fsspec.AbstractFileSystem", path: str, size: int) -> bytes:
    """The object's bytes; OSError is for what concerns this one alone.

    A row with an OSError is never looked at again, so a store that fails as a whole must stop the run instead.
    """
    if size > face_images.MAX_BYTES:
        raise NotAFile(f"larger than {face_images.MAX_BYTES // 1_000_000} MB")
    try:
        return store.cat_file(path)
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, "no longer in the store") from None
    except Exception as error:  # as in _listed
        raise plainly(error, store.unstrip_protocol(path)) from None


def plainly(error: Exception, url: str) -> console.PlainError:
    """The error without its own message, which may quote a signed address or a key."""
    names = [kind.__name__ for kind in type(error).__mro__]
    fault = next((FAULTS[name] for name in names if name in FAULTS), f"the store failed ({names[0]}); run again later")
    return console.PlainError(f"{url} cannot be used: {fault}. What was finished is kept.", console.REMOTE)
