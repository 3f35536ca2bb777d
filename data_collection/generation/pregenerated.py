"""Faces that several processes, one for each GPU, draw before a collection: DATA/DATASET/drawn."""

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

if TYPE_CHECKING:
    from accelerate import PartialState


@dataclass(frozen=True)
class Provenance:
    """Provenance of a pregenerated face, stored beside it."""

    prompt: str
    seed: int | None
    drawn_with: dict[str, Any]


def generate_shard(asked: RequestedSource, state: "PartialState") -> int:
    """Draws this process's share of a source's faces into DATA/DATASET/drawn, for the next collection to take in.

    Several processes, one for each GPU, may do this at the same time; the manifest is not written. A face does not depend
    on how many they are, because its seed does not. Returns how many were drawn.

    Raises:
        PlainError: as generation raises it.
    """
    with state.split_between_processes(list_candidates(asked)) as share:
        return generate_missing(asked, share)


def list_candidates(asked: RequestedSource) -> list[CandidateFace]:
    """All faces of a source; the first process that asks writes the prompts, the others read them."""
    folder = asked.request.settings.folder
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / ".prompts.lock"):
        return asked.source.list_candidates(asked.request)


def generate_missing(asked: RequestedSource, share: Sequence[CandidateFace]) -> int:
    """Draws those faces that are neither in the data set nor drawn yet; returns how many."""
    folder = asked.request.settings.folder
    records = manifest.read_manifest(folder) if manifest.manifest_path(folder).exists() else []
    known = {(record.source, record.file) for record in records}
    mine = [
        face
        for face in share
        if (face.source, face.file) not in known and not load_pregenerated(folder, face)
    ]
    for face, picture in mine[0].load_many(mine) if mine else ():
        told = asdict(Provenance(face.prompt, face.seed, dict(face.drawn_with)))
        path = _pregenerated_path(folder, face)
        atomic_files.write_atomically(path.with_suffix(".json"), json.dumps(told).encode())
        atomic_files.write_atomically(path, picture)
    return len(mine)


def warn_about_outdated(folder: Path, faces: Iterable[CandidateFace]) -> None:
    """Says of faces that were drawn ahead with other settings or prompts that they are not taken."""
    others = sum(_pregenerated_path(folder, face).exists() for face in faces)
    if others:
        console.print_warning(
            f"{others} pictures in {folder / 'drawn'} were drawn with other settings or prompts than these, and are left there."
        )


def remove_ingested(folder: Path, records: Iterable[FaceRecord]) -> None:
    """Removes what has been taken in; a picture that no row is about stays for a run that asks for it."""
    drawn = folder / "drawn"
    pictures = list(drawn.rglob("*.png"))
    known = {record.id for record in records} if pictures else set()
    for path in pictures:
        if hashing.hash_bytes(path.read_bytes()) in known:
            path.with_suffix(".json").unlink(missing_ok=True)
            path.unlink()
    for place in (*sorted(drawn.rglob("*/"), reverse=True), drawn):
        with contextlib.suppress(OSError):  # not empty, or not there
            place.rmdir()


def _pregenerated_path(folder: Path, face: CandidateFace) -> Path:
    return folder / "drawn" / face.source / face.file


def load_pregenerated(folder: Path, face: CandidateFace) -> tuple[CandidateFace, bytes] | None:
    """The face as draw_share left it, if it was drawn with the same prompt, seed and settings."""
    path = _pregenerated_path(folder, face)
    try:
        told = checked_json.parse_json_as(path.with_suffix(".json").read_bytes(), Provenance)
        picture = path.read_bytes()
    except (OSError, ValueError):
        return None
    same = (told.prompt, told.seed) == (face.prompt, face.seed)
    if not same or any(told.drawn_with.get(key) != value for key, value in face.drawn_with.items()):
        return None
    return replace(face, drawn_with=told.drawn_with), picture
