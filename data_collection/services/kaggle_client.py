"""Download Kaggle data sets with kagglehub, whose cache is read without a network, and explain failures."""

import contextlib
import io
import logging
import os
import tarfile
import threading
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from runtime import console

# ValueError: an archive of no known kind; RuntimeError: an encrypted one.
DAMAGED_ARCHIVE_ERRORS = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    ValueError,
    RuntimeError,
)


KAGGLE_PROBE_TIMEOUT_S = 5


KAGGLE_ALTERNATIVE = "--real folder:PATH"


KAGGLE_STATUS_MESSAGES = {
    401: "does not accept the credentials that it was given; renew KAGGLE_API_TOKEN, or remove it (public sets need none)",
    403: "does not let you have it: it is private, asks for your consent on {page}, or does not exist; sign in there, consent, "
    "and set KAGGLE_API_TOKEN",
    404: "has no such data set or version; look at {page}",
    429: "had too many requests; wait a while and run again",
}
"""Meaning of Kaggle's answers by HTTP status."""


class KaggleUnreachable(Exception):
    """Kaggle cannot be reached, or broke off."""


@dataclass(frozen=True)
class KaggleRequest:
    """Parsed argument COUNT@OWNER/NAME/versions/N.

    Attributes:
        count: how many photographs; None for all of them.
        version: None for the newest.
    """

    count: int | None
    owner: str
    name: str
    version: int | None

    @property
    def handle(self) -> str:
        return f"{self.owner}/{self.name}" + (f"/versions/{self.version}" if self.version else "")

    @property
    def page(self) -> str:
        return f"https://www.kaggle.com/datasets/{self.owner}/{self.name}"


def ensure_kaggle_folder(wanted: KaggleRequest) -> Path:
    """The data set on this machine; of a handle without a version the newest in the cache if Kaggle does not answer.

    Raises:
        PlainError: it is not in the cache, and Kaggle does not answer, refuses, or sends something damaged.
    """
    cached = find_cached_versions(wanted)
    if wanted.version in cached:
        return cached[wanted.version]
    try:
        return _download_dataset(wanted)
    except KaggleUnreachable:
        if not cached or wanted.version:
            raise console.PlainError(
                f"{wanted.handle} is not in the cache, and Kaggle does not answer or has broken off. Check the network and run "
                f"again, or download it from {wanted.page} and give {KAGGLE_ALTERNATIVE}.",
                console.EXIT_REMOTE,
            ) from None
    newest = max(cached)
    console.print_warning(
        f"Kaggle does not answer; version {newest} of {wanted.handle} is taken, the newest in the cache. "
        f"Write @{wanted.handle}/versions/{newest} to stay with it."
    )
    return cached[newest]


def find_cached_versions(wanted: KaggleRequest) -> dict[int, Path]:
    """The versions that kagglehub's cache holds whole, oldest first: NAME/versions/N with its marker NAME/N.complete."""
    numbers = sorted(
        int(path.stem) for path in _cache_folder(wanted).glob("*.complete") if path.stem.isdecimal()
    )
    folders = {number: _cache_folder(wanted) / "versions" / str(number) for number in numbers}
    return {number: folder for number, folder in folders.items() if folder.is_dir()}


def _cache_folder(wanted: KaggleRequest) -> Path:
    cache = os.environ.get("KAGGLEHUB_CACHE") or Path.home() / ".cache" / "kagglehub"
    return Path(cache, "datasets", wanted.owner, wanted.name)


def _download_dataset(wanted: KaggleRequest) -> Path:
    import kagglehub
    import requests
    from kagglehub.exceptions import DataCorruptionError, KaggleApiHTTPError

    logging.getLogger("kagglehub").setLevel(logging.ERROR)
    try:
        _check_credentials()
        # Notices of newer releases go to standard output, and in its test mode the client prints its own key there.
        with contextlib.redirect_stdout(io.StringIO()):
            return Path(kagglehub.dataset_download(wanted.handle))
    except KaggleApiHTTPError as error:
        status = error.response.status_code
        refusal = KAGGLE_STATUS_MESSAGES.get(
            status, "answers with HTTP status {status}; run again later"
        ).format(page=wanted.page, status=status)
        raise console.PlainError(
            f"{wanted.handle}: Kaggle {refusal}, or give {KAGGLE_ALTERNATIVE}.", console.EXIT_REMOTE
        ) from None
    except requests.RequestException:
        raise KaggleUnreachable from None
    except (DataCorruptionError, *DAMAGED_ARCHIVE_ERRORS):
        # kagglehub takes an archive of the right size for a finished download, whatever is in it.
        for archive in _cache_folder(wanted).glob("*.archive"):
            archive.unlink()
        raise console.PlainError(
            f"{wanted.handle} arrived damaged and was removed; run again, or get it from "
            f"{wanted.page} and give {KAGGLE_ALTERNATIVE}.",
            console.EXIT_REMOTE,
        ) from None


def _check_credentials() -> None:
    from kagglehub.config import get_kaggle_credentials

    try:
        get_kaggle_credentials()
    except (ValueError, TypeError):
        raise console.PlainError(
            "Kaggle's credentials file kaggle.json is damaged; remove it, or get a new one from "
            "https://www.kaggle.com/settings.",
            console.EXIT_REMOTE,
        ) from None


def is_kaggle_reachable() -> bool:
    """Whether Kaggle gives any answer; a thread, because looking up a name has no time limit of its own."""
    import requests
    from kagglesdk.kaggle_env import get_endpoint, get_env

    answers = []

    def ask() -> None:
        with contextlib.suppress(requests.RequestException):
            answers.append(requests.head(get_endpoint(get_env()), timeout=KAGGLE_PROBE_TIMEOUT_S))

    probe = threading.Thread(target=ask, daemon=True)
    probe.start()
    probe.join(KAGGLE_PROBE_TIMEOUT_S)
    return bool(answers)
