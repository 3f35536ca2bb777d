"""Photographs of a Kaggle data set, which kagglehub downloads once into its own cache."""

import hashlib
import importlib.util
import re
from dataclasses import replace
from pathlib import Path, PurePosixPath

from data_collection.requirement import Requirement
from data_collection.services.kaggle_client import (
    KAGGLE_ALTERNATIVE,
    KaggleRequest,
    ensure_kaggle_folder,
    find_cached_versions,
    is_kaggle_reachable,
)
from data_collection.settings import CollectionSettings
from data_collection.source_types import CandidateFace, Source, SourceRequest
from data_collection.sources.local_folder import list_folder_candidates
from runtime import console

DEFAULT_KAGGLE_DATASET = "ashwingupta3012/human-faces"
DEFAULT_KAGGLE_VERSION = 1


def parse_kaggle_argument(argument: str) -> KaggleRequest:
    """Parse COUNT@OWNER/NAME/versions/N:path/inside, where every part may be missing.

    An empty argument is all of the default set.

    The default set is pinned to DEFAULT_KAGGLE_VERSION: kagglehub calls Kaggle for a handle without
    a version even if its cache holds the data set, and another version may hold other photographs.

    Raises:
        PlainError: the argument has another form.
    """
    pattern = r"([1-9]\d*)?(?:@([\w-]+)/([\w-]+)(?:/versions/([1-9]\d*))?)?(?::(.+))?"
    match = re.fullmatch(pattern, argument, re.ASCII)
    if not match or ".." in PurePosixPath(match[5] or "").parts:
        raise console.PlainError(
            f"kaggle:{argument} is not understood; write kaggle:700, or "
            f"kaggle:700@{DEFAULT_KAGGLE_DATASET}/versions/{DEFAULT_KAGGLE_VERSION}; a folder "
            "inside follows a colon, as in @OWNER/NAME/versions/2:test/real."
        )
    count, owner, name, version, inside = match.groups()
    if not owner:
        owner, name, version = *DEFAULT_KAGGLE_DATASET.split("/"), DEFAULT_KAGGLE_VERSION
    return KaggleRequest(
        int(count) if count else None,
        owner,
        name,
        int(version) if version else None,
        (inside or "").strip("/"),
    )


def fetch_kaggle_folder(request: SourceRequest) -> Path:
    """Return the data set's folder, or the one inside it that the request names; download the data
    set if the cache does not hold it.

    Raises:
        PlainError: the data set is neither in the cache nor available, or has no such folder.
    """
    kaggle_request = parse_kaggle_argument(request.argument)
    whole = ensure_kaggle_folder(kaggle_request)
    folder = whole / kaggle_request.inside
    if not folder.is_dir() or not folder.resolve().is_relative_to(whole.resolve()):
        held = [path.relative_to(whole).as_posix() for path in whole.rglob("*") if path.is_dir()]
        example = f"; it holds {', '.join(sorted(held)[:6])}" if held else ""
        raise console.PlainError(
            f"{kaggle_request.handle} has no folder {kaggle_request.inside}{example}."
        )
    return folder


def list_kaggle_candidates(request: SourceRequest, folder: Path) -> list[CandidateFace]:
    """List the photographs by name, or at random by the seed.

    They are stable: a name that was collected from one version is not loaded again from another.
    """
    faces = list_folder_candidates(folder, "real", request.source_name)
    sort_keys = {
        "first": lambda face: compute_natural_sort_key(face.file),
        "random": lambda face: compute_random_sort_key(face.file, request.settings.seed),
    }
    sorted_faces = sorted(faces, key=sort_keys[request.settings.kaggle_draw])
    return [replace(face, stable=True) for face in sorted_faces]


def select_kaggle_candidates(
    request: SourceRequest, faces: list[CandidateFace]
) -> list[CandidateFace]:
    """Return the first photographs, as many as the argument asks for."""
    count = parse_kaggle_argument(request.argument).count
    if count and count > len(faces):
        console.print_warning(
            f"kaggle:{request.argument} asks for {count} files, but "
            f"{make_kaggle_source_name(request.argument)} holds {len(faces)}."
        )
    return faces[:count]


def compute_natural_sort_key(name: str) -> tuple[list[object], str]:
    """Return a sort key that compares numbers in names by value: face 2 before face 10."""
    parts = re.split(r"(\d+)", name)
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], name


def compute_random_sort_key(name: str, seed: int) -> str:
    """Return a random sort key from name and seed; a larger sample begins with a smaller one."""
    return hashlib.sha256(f"{seed}:{name}".encode(errors="surrogateescape")).hexdigest()


def list_kaggle_requirements(request: SourceRequest) -> list[Requirement]:
    """Check the data set and the package that downloads it; may take KAGGLE_PROBE_TIMEOUT_S."""
    kaggle_request = parse_kaggle_argument(request.argument)
    cached = find_cached_versions(kaggle_request)

    def require_dataset(met: bool, status: str) -> Requirement:
        name = f"the Kaggle data set {kaggle_request.handle}"
        return Requirement(name=name, met=met, status=status, alternative=KAGGLE_ALTERNATIVE)

    if kaggle_request.version in cached:
        return [require_dataset(True, "in the cache")]
    is_installed = importlib.util.find_spec("kagglehub") is not None
    status = "installed" if is_installed else "missing: pip install -r requirements.txt"
    package = Requirement(
        name="kagglehub", met=is_installed, status=status, alternative=KAGGLE_ALTERNATIVE
    )
    if is_installed and is_kaggle_reachable():
        prefix = "not in the cache, " if kaggle_request.version else ""
        return [package, require_dataset(True, f"{prefix}Kaggle answers")]
    if cached and not kaggle_request.version:
        status = f"Kaggle does not answer, version {max(cached)} is in the cache"
        return [package, require_dataset(True, status)]
    return [package, require_dataset(False, "not in the cache, and Kaggle does not answer")]


def make_kaggle_source_name(argument: str, settings: CollectionSettings | None = None) -> str:
    """Return the whole handle and folder: another may have a file of the same name."""
    request = parse_kaggle_argument(argument)
    return f"{request.handle}/{request.inside}" if request.inside else request.handle


def name_kaggle_part(argument: str, part: str) -> str:
    """Return the argument for one folder of what another argument names."""
    request = parse_kaggle_argument(argument)
    inside = "/".join(filter(None, (request.inside, part)))
    return f"kaggle:{request.count or ''}@{request.handle}:{inside}"


KAGGLE = Source(
    example="kaggle:COUNT",
    prepare=fetch_kaggle_folder,
    candidates=list_kaggle_candidates,
    select_files=select_kaggle_candidates,
    name_part=name_kaggle_part,
    list_requirements=list_kaggle_requirements,
    make_name=make_kaggle_source_name,
)
