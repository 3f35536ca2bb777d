"""Photographs of a Kaggle data set: fetched once by kagglehub into its own cache, then read from there without a network."""

import hashlib
import importlib.util
import re
from dataclasses import replace

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
            f"kaggle:{argument} is not understood; write kaggle:700, or "
            f"kaggle:700@{DEFAULT_KAGGLE_DATASET}/versions/{DEFAULT_KAGGLE_VERSION}."
        )
    count, owner, name, version = match.groups()
    if not owner:
        owner, name, version = *DEFAULT_KAGGLE_DATASET.split("/"), DEFAULT_KAGGLE_VERSION
    return KaggleRequest(
        int(count) if count else None, owner, name, int(version) if version else None
    )


def list_kaggle_candidates(request: SourceRequest) -> list[CandidateFace]:
    """The first photographs by name, or a draw by the seed; fetches the data set if the cache does not hold it.

    They are lasting: a name that was collected from one version is not looked at again in another.

    Raises:
        PlainError: the data set is not in the cache and cannot be had.
    """
    wanted = parse_kaggle_argument(request.argument)
    faces = list_folder_candidates(
        ensure_kaggle_folder(wanted), "real", request.source, request.facts
    )
    if wanted.count and wanted.count > len(faces):
        console.print_warning(
            f"kaggle:{request.argument} asks for {wanted.count} files, but {wanted.handle} holds {len(faces)}."
        )
    ranks = {
        "first": lambda face: compute_natural_sort_key(face.file),
        "random": lambda face: compute_random_sort_key(face.file, request.settings.seed),
    }
    ranked = sorted(faces, key=ranks[request.settings.kaggle_draw])
    return [replace(face, lasting=True) for face in ranked[: wanted.count]]


def compute_natural_sort_key(name: str) -> tuple[list[object], str]:
    """Sorts names as people count: face 2 before face 10."""
    return [
        int(part) if place % 2 else part for place, part in enumerate(re.split(r"(\d+)", name))
    ], name


def compute_random_sort_key(name: str, seed: int) -> str:
    """Sorts names at random, each by itself: a longer draw begins with the shorter one of the same seed."""
    return hashlib.sha256(f"{seed}:{name}".encode(errors="surrogateescape")).hexdigest()


def list_kaggle_requirements(request: SourceRequest) -> list[Requirement]:
    """The data set, and what fetches it; the probe takes PROBE_SECONDS at most."""
    wanted = parse_kaggle_argument(request.argument)
    what = f"the Kaggle data set {wanted.handle}"
    cached = find_cached_versions(wanted)
    if wanted.version in cached:
        return [Requirement(what, True, "in the cache", KAGGLE_ALTERNATIVE)]
    there = importlib.util.find_spec("kagglehub") is not None
    package = Requirement(
        "kagglehub",
        there,
        "installed" if there else "missing: pip install -r requirements.txt",
        KAGGLE_ALTERNATIVE,
    )
    if there and is_kaggle_reachable():
        return [
            package,
            Requirement(
                what,
                True,
                f"{'not in the cache, ' if wanted.version else ''}Kaggle answers",
                KAGGLE_ALTERNATIVE,
            ),
        ]
    if cached and not wanted.version:
        return [
            package,
            Requirement(
                what,
                True,
                f"Kaggle does not answer, version {max(cached)} is in the cache",
                KAGGLE_ALTERNATIVE,
            ),
        ]
    return [
        package,
        Requirement(
            what, False, "not in the cache, and Kaggle does not answer", KAGGLE_ALTERNATIVE
        ),
    ]


def make_kaggle_source_name(argument: str, settings: CollectionSettings) -> str:
    """The whole handle: what was collected is not looked at again, and another set may have a file of the same name."""
    return parse_kaggle_argument(argument).handle


KAGGLE = Source(
    list_kaggle_candidates, "kaggle:COUNT", list_kaggle_requirements, make_kaggle_source_name
)
