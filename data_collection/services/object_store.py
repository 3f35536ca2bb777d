"""Open object stores through fsspec; explain errors without quoting signed addresses or keys."""

import re
from typing import TYPE_CHECKING

from runtime import console

if TYPE_CHECKING:
    import fsspec

UNSUPPORTED_SCHEMES = {
    **dict.fromkeys(
        ("http", "https"),
        "a web page cannot be listed; download its images, or give an address such as "
        "s3://bucket/faces",
    ),
    **dict.fromkeys(("file", "local"), "a folder of this machine is given by its path alone"),
}
"""Schemes that are not accepted: the reason and what to do instead."""

FILESYSTEM_PACKAGES = {
    **dict.fromkeys(("s3", "s3a"), "s3fs: pip install -r requirements-s3.txt"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs: pip install gcsfs"),
    **dict.fromkeys(("az", "abfs", "abfss"), "adlfs: pip install adlfs"),
}
"""Package that opens each kind of store; fsspec names those of other kinds."""

# By name, because the packages that raise these may not be installed.
STORE_ERROR_MESSAGES = {
    "FileNotFoundError": "there is no such bucket or folder; check its name",
    "ParamValidationError": "the name of the bucket is not valid; check it",
    "PermissionError": "access is denied; check the credentials, and whether they may list, read "
    "and write there",
    "NoCredentialsError": "no credentials were found; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, or FSSPEC_S3_ANON=true for a public bucket",
    "DefaultCredentialsError": "no credentials were found; run gcloud auth application-default "
    "login",
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
"""Messages by exception class of the stores' libraries, or by a base of it."""


def is_object_store_url(text: str) -> bool:
    """Return whether a folder is given as an address (s3://bucket/faces), not as a path."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


def open_object_store(url: str) -> "tuple[fsspec.AbstractFileSystem, str]":
    """Return the store of an address, and the folder in it, ending in a slash; send no requests.

    Raises:
        PlainError: it is not the address of a store, contains a password, or its package is
            missing.
    """
    import fsspec
    from fsspec.registry import (
        known_implementations,  # `fsspec.registry` is a mapping that hides the module
    )

    scheme, _, path = url.partition("://")
    if ":" in path.partition("/")[0].rpartition("@")[0]:
        raise console.PlainError(
            f"The {scheme}:// address holds a password; leave it out, and set it in the "
            "environment."
        )
    if scheme in UNSUPPORTED_SCHEMES or not path.strip("/"):
        reason = UNSUPPORTED_SCHEMES.get(scheme, "it needs a bucket")
        raise console.PlainError(f"{url} does not name a folder in a store: {reason}.")
    try:
        # A cached instance would reuse the listing and the credentials of an earlier call.
        store, root = fsspec.url_to_fs(url, skip_instance_cache=True)
    except ImportError:
        package = (
            FILESYSTEM_PACKAGES.get(scheme)
            or f"a package: {known_implementations[scheme].get('err')}"
        )
        raise console.PlainError(f"{url} needs {package}") from None
    except ValueError:
        raise console.PlainError(
            f"{url} is not an address of a known kind; write it as in s3://bucket/faces."
        ) from None
    except Exception as error:  # some stores already look for credentials here
        raise explain_store_error(error, url) from None
    return store, root.rstrip("/") + "/"


def explain_store_error(error: Exception, url: str) -> console.PlainError:
    """Build an error without the original message, which may quote a signed address or a key."""
    names = [kind.__name__ for kind in type(error).__mro__]
    reason = next(
        (STORE_ERROR_MESSAGES[name] for name in names if name in STORE_ERROR_MESSAGES),
        f"the store failed ({names[0]}); run again later",
    )
    return console.PlainError(
        f"{url} cannot be used: {reason}. Finished work is saved.", console.EXIT_REMOTE
    )
