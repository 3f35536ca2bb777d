"""Download Kaggle data sets with kagglehub, read its cache offline, and explain failures."""

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

# ValueError: unknown kind of archive; RuntimeError: an encrypted one.
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
    401: "does not accept the credentials; renew KAGGLE_API_TOKEN, or remove it (public data sets "
    "need none)",
    403: "denies access: the data set is private, asks for your consent on {page}, or does not "
    "exist; sign in there, consent, and set KAGGLE_API_TOKEN",
    404: "has no such data set or version; look at {page}",
    429: "received too many requests; wait a while and run again",
}
"""Messages by HTTP status."""


class KaggleUnreachable(Exception):
    """Kaggle cannot be reached, or the connection broke."""


@dataclass(frozen=True)
class KaggleRequest:
    """Parsed argument COUNT@OWNER/NAME/versions/N:path/inside.

    Attributes:
        count: number of photographs; None for all.
        version: None for the newest.
        inside: folder of the data set to take; empty for all of it.
    """

    count: int | None
    owner: str
    name: str
    version: int | None
    inside: str = ""

    @property
    def handle(self) -> str:
        return f"{self.owner}/{self.name}" + (f"/versions/{self.version}" if self.version else "")

    @property
    def page(self) -> str:
        return f"https://www.kaggle.com/datasets/{self.owner}/{self.name}"


def ensure_kaggle_folder(request: KaggleRequest) -> Path:
    """Return the data set's folder; download it unless it is cached.

    Without a version, use the newest cached one if Kaggle does not answer.

    Raises:
        PlainError: it is not cached, and Kaggle does not answer, denies access, or sends damaged
            data.
    """
    cached = find_cached_versions(request)
    if request.version in cached:
        return cached[request.version]
    try:
        return _download_dataset(request)
    except KaggleUnreachable:
        if not cached or request.version:
            raise console.PlainError(
                f"{request.handle} is not in the cache, and Kaggle does not answer or the "
                "connection broke. Check the network and run again, or download it from "
                f"{request.page} and give {KAGGLE_ALTERNATIVE}.",
                console.EXIT_REMOTE,
            ) from None
    newest = max(cached)
    console.print_warning(
        f"Kaggle does not answer. Using version {newest} of {request.handle}, the newest in the "
        f"cache; write @{request.handle}/versions/{newest} to stay with it."
    )
    return cached[newest]


def find_cached_versions(request: KaggleRequest) -> dict[int, Path]:
    """Return the complete versions in kagglehub's cache, oldest first.

    Each is a folder NAME/versions/N with a marker NAME/N.complete.
    """
    cache = _dataset_cache_folder(request)
    numbers = sorted(int(path.stem) for path in cache.glob("*.complete") if path.stem.isdecimal())
    folders = {number: cache / "versions" / str(number) for number in numbers}
    return {number: folder for number, folder in folders.items() if folder.is_dir()}


def _dataset_cache_folder(request: KaggleRequest) -> Path:
    cache = os.environ.get("KAGGLEHUB_CACHE") or Path.home() / ".cache" / "kagglehub"
    return Path(cache, "datasets", request.owner, request.name)


def _download_dataset(request: KaggleRequest) -> Path:
    import kagglehub
    import requests
    from kagglehub.exceptions import DataCorruptionError, KaggleApiHTTPError

    logging.getLogger("kagglehub").setLevel(logging.ERROR)
    try:
        _check_credentials()
        # kagglehub prints notices of newer releases, and in its test mode its own key.
        with contextlib.redirect_stdout(io.StringIO()):
            return Path(kagglehub.dataset_download(request.handle))
    except KaggleApiHTTPError as error:
        status = error.response.status_code
        message = KAGGLE_STATUS_MESSAGES.get(
            status, "answers with HTTP status {status}; run again later"
        ).format(page=request.page, status=status)
        raise console.PlainError(
            f"{request.handle}: Kaggle {message}, or give {KAGGLE_ALTERNATIVE}.",
            console.EXIT_REMOTE,
        ) from None
    except requests.RequestException:
        raise KaggleUnreachable from None
    except (DataCorruptionError, *DAMAGED_ARCHIVE_ERRORS):
        # kagglehub accepts any archive of the right size as a finished download.
        for archive in _dataset_cache_folder(request).glob("*.archive"):
            archive.unlink()
        raise console.PlainError(
            f"{request.handle} arrived damaged and was removed; run again, or get it from "
            f"{request.page} and give {KAGGLE_ALTERNATIVE}.",
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
    """Return whether Kaggle answers; in a thread, because name resolution has no time limit."""
    import requests
    from kagglesdk.kaggle_env import get_endpoint, get_env

    responses = []

    def send_probe() -> None:
        with contextlib.suppress(requests.RequestException):
            responses.append(requests.head(get_endpoint(get_env()), timeout=KAGGLE_PROBE_TIMEOUT_S))

    probe = threading.Thread(target=send_probe, daemon=True)
    probe.start()
    probe.join(KAGGLE_PROBE_TIMEOUT_S)
    return bool(responses)
