"""Open object stores through fsspec, and explain their errors without quoting signed addresses or keys."""

import re
from typing import TYPE_CHECKING

from runtime import console

if TYPE_CHECKING:
    import fsspec


UNSUPPORTED_SCHEMES = {
    "http": "a web page cannot be listed; download its images, or give an address such as s3://bucket/faces",
    "https": "a web page cannot be listed; download its images, or give an address such as s3://bucket/faces",
    "file": "a folder of this machine is given by its path alone",
    "local": "a folder of this machine is given by its path alone",
}
"""Addresses that are refused, and what to do instead."""


FILESYSTEM_PACKAGES = {
    **dict.fromkeys(("s3", "s3a"), "s3fs: pip install -r requirements-s3.txt"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs: pip install gcsfs"),
    **dict.fromkeys(("az", "abfs", "abfss"), "adlfs: pip install adlfs"),
}
"""Package that opens each kind of store; fsspec knows those of other kinds."""


# By name, because the packages that raise these need not be installed.
STORE_ERROR_MESSAGES = {
    "FileNotFoundError": "there is no such bucket or folder; check its name",
    "ParamValidationError": "that is no name of a bucket; check it",
    "PermissionError": "access is denied; check the credentials, and whether they may list, read and write there",
    "NoCredentialsError": "no credentials were found; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
    "FSSPEC_S3_ANON=true for a public bucket",
    "DefaultCredentialsError": "no credentials were found; run gcloud auth application-default login",
    **dict.fromkeys(
        (
            "PartialCredentialsError",
            "ProfileNotFound",
            "CredentialRetrievalError",
            "SSOError",
            "RefreshError",
        ),
        "the credentials are incomplete or have expired; renew them",
    ),
    **dict.fromkeys(
        ("ConnectionError", "HTTPClientError", "ClientConnectionError", "TimeoutError"),
        "it does not answer; check the network and run again",
    ),
}
"""Exceptions of the stores' libraries and of their bases: what they mean and what to do."""


def is_object_store_url(text: str) -> bool:
    """Whether a folder is given as an address (s3://bucket/faces) rather than as a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


def open_object_store(url: str) -> "tuple[fsspec.AbstractFileSystem, str]":
    """The store of an address, and the folder in it, with a slash at its end; asks nothing over the network.

    Raises:
        PlainError: the address is none of a store, holds a password, or its package is missing.
    """
    import fsspec
    from fsspec.registry import (
        known_implementations,  # `fsspec.registry` is a mapping that hides the module
    )

    scheme, _, place = url.partition("://")
    if ":" in place.partition("/")[0].rpartition("@")[0]:
        raise console.PlainError(
            f"The {scheme}:// address holds a password; leave it out, and set it in the environment."
        )
    if scheme in UNSUPPORTED_SCHEMES or not place.strip("/"):
        raise console.PlainError(
            f"{url} names no folder in a store: {UNSUPPORTED_SCHEMES.get(scheme, 'it needs a bucket')}."
        )
    try:
        # A kept instance would also keep the listing and the credentials of an earlier call.
        store, root = fsspec.url_to_fs(url, skip_instance_cache=True)
    except ImportError:
        package = (
            FILESYSTEM_PACKAGES.get(scheme)
            or f"a package: {known_implementations[scheme].get('err')}"
        )
        raise console.PlainError(f"{url} needs {package}") from None
    except ValueError:
        raise console.PlainError(
            f"{url} is no address of a known kind; write s3://bucket/faces, for one."
        ) from None
    except Exception as error:  # some stores look for credentials already here
        raise explain_store_error(error, url) from None
    return store, root.rstrip("/") + "/"


def explain_store_error(error: Exception, url: str) -> console.PlainError:
    """The error without its own message, which may quote a signed address or a key."""
    names = [kind.__name__ for kind in type(error).__mro__]
    fault = next(
        (STORE_ERROR_MESSAGES[name] for name in names if name in STORE_ERROR_MESSAGES),
        f"the store failed ({names[0]}); run again later",
    )
    return console.PlainError(
        f"{url} cannot be used: {fault}. What was finished is kept.", console.EXIT_REMOTE
    )
