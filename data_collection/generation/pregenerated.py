"""Generate faces before a collection, in several processes: DATA/DATASET/pregenerated."""

import contextlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock

from data_collection.dataset import manifest
from data_collection.dataset.manifest import FaceRecord
from data_collection.source_types import CandidateFace, RequestedSource
from runtime import atomic_files, checked_json, console, hashing
from runtime.terminal.counting import format_count

if TYPE_CHECKING:
    from accelerate import PartialState

PREGENERATED_FOLDER = "pregenerated"
"""Subfolder of a data set, left out of transfers (`dataset/transferred_files.py`)."""


@dataclass(frozen=True)
class Provenance:
    """Provenance of a pregenerated face, stored beside it as JSON."""

    prompt: str
    seed: int | None
    drawn_with: dict[str, Any]


def generate_shard(requested: RequestedSource, state: "PartialState") -> int:
    """Generate this process's share of a source's faces for the next collection; return how many.

    Several processes, one for each GPU, may do this at the same time; the manifest is not written.
    A face does not depend on the number of processes, because its seed does not.

    Raises:
        PlainError: as generation raises it.
    """
    with state.split_between_processes(list_candidates(requested)) as share:
        return generate_missing(requested, share)


def list_candidates(requested: RequestedSource) -> list[CandidateFace]:
    """List all faces of a source; the first process to come writes the prompts for all."""
    folder = requested.request.settings.folder
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / ".prompts.lock"):
        return requested.source.list_candidates(requested.request)


def generate_missing(requested: RequestedSource, share: Sequence[CandidateFace]) -> int:
    """Generate the faces that are neither in the data set nor pregenerated; return how many."""
    folder = requested.request.settings.folder
    records = manifest.read_manifest(folder) if manifest.manifest_path(folder).exists() else []
    known = {(record.source, record.file) for record in records}
    missing = [
        face
        for face in share
        if (face.source, face.file) not in known and not load_pregenerated(folder, face)
    ]
    for face, png in missing[0].load_many(missing) if missing else ():
        provenance = asdict(Provenance(face.prompt, face.seed, dict(face.drawn_with)))
        path = _pregenerated_path(folder, face)
        atomic_files.write_atomically(path.with_suffix(".json"), json.dumps(provenance).encode())
        atomic_files.write_atomically(path, png)
    return len(missing)


def warn_about_outdated(folder: Path, faces: Iterable[CandidateFace]) -> None:
    """Warn about faces that were pregenerated with other settings or prompts, and are not used."""
    n_outdated = sum(_pregenerated_path(folder, face).exists() for face in faces)
    if n_outdated:
        console.print_warning(
            f"Not used, and left in {folder / PREGENERATED_FOLDER}: "
            f"{format_count(n_outdated, 'image')} generated with other settings or prompts."
        )


def remove_ingested(folder: Path, records: Iterable[FaceRecord]) -> None:
    """Remove the images that have rows now; the others stay for a run that requests them."""
    root = folder / PREGENERATED_FOLDER
    images = list(root.rglob("*.png"))
    known = {record.id for record in records} if images else set()
    for path in images:
        if hashing.hash_bytes(path.read_bytes()) in known:
            path.with_suffix(".json").unlink(missing_ok=True)
            path.unlink()
    for subfolder in (*sorted(root.rglob("*/"), reverse=True), root):
        with contextlib.suppress(OSError):  # not empty, or missing
            subfolder.rmdir()


def _pregenerated_path(folder: Path, face: CandidateFace) -> Path:
    return folder / PREGENERATED_FOLDER / face.source / face.file


def load_pregenerated(folder: Path, face: CandidateFace) -> tuple[CandidateFace, bytes] | None:
    """Return a pregenerated face with its PNG; None if prompt, seed or settings differ."""
    path = _pregenerated_path(folder, face)
    try:
        provenance = checked_json.parse_json_as(path.with_suffix(".json").read_bytes(), Provenance)
        png = path.read_bytes()
    except (OSError, ValueError):
        return None
    recorded = provenance.drawn_with
    same = (provenance.prompt, provenance.seed) == (face.prompt, face.seed)
    if not same or any(recorded.get(key) != value for key, value in face.drawn_with.items()):
        return None
    return replace(face, drawn_with=recorded), png
