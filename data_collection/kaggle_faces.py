"""Photographs of a Kaggle data set: fetched once by kagglehub into its own cache, then read from there without a network."""

import contextlib
import hashlib
import importlib.util
import io
import logging
import os
import re
import tarfile
import threading
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

from data_collection import console
from data_collection.found_faces import FoundFace, Need, Request, Source, in_folder
from data_collection.settings import CollectionSettings

DEFAULT_SET = "ashwingupta3012/human-faces"
DEFAULT_VERSION = 1

# ValueError: an archive of no known kind; RuntimeError: an encrypted one.
DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, ValueError, RuntimeError)

PROBE_SECONDS = 5
INSTEAD = "--real folder:PATH"

REFUSALS = {
    401: "does not accept the credentials that it was given; renew KAGGLE_API_TOKEN, or remove it (public sets need none)",
    403: "does not let you have it: it is private, asks for your consent on {page}, or does not exist; sign in there, consent, "
    "and set KAGGLE_API_TOKEN",
    404: "has no such data set or version; look at {page}",
    429: "had too many requests; wait a while and run again",
}
"""What Kaggle's answers mean, by HTTP status."""


class NoAnswer(Exception):
    """Kaggle cannot be reached, or broke off."""


@dataclass(frozen=True)
class Wanted:
    """What COUNT@OWNER/NAME/versions/N asks for.

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


def read_argument(argument: str) -> Wanted:
    """Reads COUNT, COUNT@OWNER/NAME, COUNT@OWNER/NAME/versions/N, or nothing: all of the default set.

    The default set is pinned to DEFAULT_VERSION: kagglehub calls Kaggle for a handle without a version even if its cache
    holds the data set, and another version may hold other photographs.

    Raises:
        PlainError: it is none of these.
    """
    pattern = r"([1-9]\d*)?(?:@([\w-]+)/([\w-]+)(?:/versions/([1-9]\d*))?)?"
    match = re.fullmatch(pattern, argument, re.ASCII)
    if not match:
        raise console.PlainError(
            f"kaggle:{argument} is not understood; write kaggle:700, or kaggle:700@{DEFAULT_SET}/versions/{DEFAULT_VERSION}."
        )
    count, owner, name, version = match.groups()
    if not owner:
        owner, name, version = *DEFAULT_SET.split("/"), DEFAULT_VERSION
    return Wanted(int(count) if count else None, owner, name, int(version) if version else None)


def find(request: Request) -> list[FoundFace]:
    """The first photographs by name, or a draw by the seed; fetches the data set if the cache does not hold it.

    They are lasting: a name that was collected from one version is not looked at again in another.

    Raises:
        PlainError: the data set is not in the cache and cannot be had.
    """
    wanted = read_argument(request.argument)
    faces = in_folder(folder_of(wanted), "real", request.source, request.facts)
    if wanted.count and wanted.count > len(faces):
        console.warn(f"kaggle:{request.argument} asks for {wanted.count} files, but {wanted.handle} holds {len(faces)}.")
    ranks = {"first": lambda face: by_number(face.file), "random": lambda face: drawn(face.file, request.settings.seed)}
    ranked = sorted(faces, key=ranks[request.settings.kaggle_draw])
    return [replace(face, lasting=True) for face in ranked[: wanted.count]]


def by_number(name: str) -> tuple[list[object], str]:
    """Sorts names as people count: face 2 before face 10."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"(\d+)", name))], name


def drawn(name: str, seed: int) -> str:
    """Sorts names at random, each by itself: a longer draw begins with the shorter one of the same seed."""
    return hashlib.sha256(f"{seed}:{name}".encode(errors="surrogateescape")).hexdigest()


def folder_of(wanted: Wanted) -> Path:
    """The data set on this machine; of a handle without a version the newest in the cache if Kaggle does not answer.

    Raises:
        PlainError: it is not in the cache, and Kaggle does not answer, refuses, or sends something damaged.
    """
    cached = cached_versions(wanted)
    if wanted.version in cached:
        return cached[wanted.version]
    try:
        return _download(wanted)
    except NoAnswer:
        if not cached or wanted.version:
            raise console.PlainError(
                f"{wanted.handle} is not in the cache, and Kaggle does not answer or has broken off. Check the network and run "
                f"again, or download it from {wanted.page} and give {INSTEAD}.",
                console.REMOTE,
            ) from None
    newest = max(cached)
    console.warn(
        f"Kaggle does not answer; version {newest} of {wanted.handle} is taken, the newest in the cache. "
        f"Write @{wanted.handle}/versions/{newest} to stay with it."
    )
    return cached[newest]


def cached_versions(wanted: Wanted) -> dict[int, Path]:
    """The versions that kagglehub's cache holds whole, oldest first: NAME/versions/N with its marker NAME/N.complete."""
    numbers = sorted(int(path.stem) for path in _cache(wanted).glob("*.complete") if path.stem.isdecimal())
    folders = {number: _cache(wanted) / "versions" / str(number) for number in numbers}
    return {number: folder for number, folder in folders.items() if folder.is_dir()}


def _cache(wanted: Wanted) -> Path:
    cache = os.environ.get("KAGGLEHUB_CACHE") or Path.home() / ".cache" / "kagglehub"
    return Path(cache, "datasets", wanted.owner, wanted.name)


def _download(wanted: Wanted) -> Path:
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
        refusal = REFUSALS.get(status, "answers with HTTP status {status}; run again later").format(
            page=wanted.page, status=status
        )
        raise console.PlainError(f"{wanted.handle}: Kaggle {refusal}, or give {INSTEAD}.", console.REMOTE) from None
    except requests.RequestException:
        raise NoAnswer from None
    except (DataCorruptionError, *DAMAGED):
        # kagglehub takes an archive of the right size for a finished download, whatever is in it.
        for archive in _cache(wanted).glob("*.archive"):
            archive.unlink()
        raise console.PlainError(
            f"{wanted.handle} arrived damaged and was removed; run again, or get it from {wanted.page} and give {INSTEAD}.",
            console.REMOTE,
        ) from None


def _check_credentials() -> None:
    from kagglehub.config import get_kaggle_credentials

    try:
        get_kaggle_credentials()
    except (ValueError, TypeError):
        raise console.PlainError(
            "Kaggle's credentials file kaggle.json is damaged; remove it, or get a new one from "
            "https://www.kaggle.com/settings.",
            console.REMOTE,
        ) from None


def needs(request: Request) -> list[Need]:
    """The data set, and what fetches it; the probe takes PROBE_SECONDS at most."""
    wanted = read_argument(request.argument)
    what = f"the Kaggle data set {wanted.handle}"
    cached = cached_versions(wanted)
    if wanted.version in cached:
        return [Need(what, True, "in the cache", INSTEAD)]
    there = importlib.util.find_spec("kagglehub") is not None
    package = Need("kagglehub", there, "installed" if there else "missing: pip install -r requirements.txt", INSTEAD)
    if there and _answers():
        return [package, Need(what, True, f"{'not in the cache, ' if wanted.version else ''}Kaggle answers", INSTEAD)]
    if cached and not wanted.version:
        return [package, Need(what, True, f"Kaggle does not answer, version {max(cached)} is in the cache", INSTEAD)]
    return [package, Need(what, False, "not in the cache, and Kaggle does not answer", INSTEAD)]


def _answers() -> bool:
    """Whether Kaggle gives any answer; a thread, because looking up a name has no time limit of its own."""
    import requests
    from kagglesdk.kaggle_env import get_endpoint, get_env

    answers = []

    def ask() -> None:
        with contextlib.suppress(requests.RequestException):
            answers.append(requests.head(get_endpoint(get_env()), timeout=PROBE_SECONDS))

    probe = threading.Thread(target=ask, daemon=True)
    probe.start()
    probe.join(PROBE_SECONDS)
    return bool(answers)


def name_of(argument: str, settings: CollectionSettings) -> str:
    """The whole handle: what was collected is not looked at again, and another set may have a file of the same name."""
    return read_argument(argument).handle


KAGGLE = Source(find, "kaggle:COUNT", needs, name_of)
