"""Manage the folder of exports and its index, export.json; only earlier exports are replaced."""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from detection.export.exported_detector import build_export_metadata
from detection.export.formats import ExportFormat
from runtime import atomic_files, checked_json, console, hashing
from training.detectors.card import Card

INDEX_FILE = "export.json"
FINGERPRINT_KEYS = ("sha256_of_detector_keras", "sha256_of_detector_onnx")


@dataclass(frozen=True, kw_only=True)
class ExportedModel:
    """An exported model, as export.json and the table on the screen list it.

    Attributes:
        files: sha256 of each written file, by path within the folder.
        megabytes: total size.
        difference: largest difference of its probabilities to those of detector.keras.
        milliseconds: median latency for one image, with all cores of this machine.
        checked_on: the images of the check.
        note: what users must know to get these probabilities.
    """

    files: dict[str, str]
    megabytes: float
    difference: float
    milliseconds: float
    checked_on: str
    note: str = ""


def hash_files(folder: Path, names: tuple[str, ...]) -> dict[str, str]:
    """Return the sha256 of files, and of all files in folders, by path; missing ones are left
    out."""
    paths = [
        path for name in names for path in (folder / name, *sorted((folder / name).rglob("*")))
    ]
    return {
        path.relative_to(folder).as_posix(): hashing.hash_file(path)
        for path in paths
        if path.is_file()
    }


def read_export_index(folder: Path, card: Card) -> dict[str, Any]:
    """Return what the folder's export.json lists, by format.

    Raises:
        PlainError: it belongs to another detector, or another program wrote it.
    """
    path = folder / INDEX_FILE
    if not path.exists():
        return {}
    try:
        index = checked_json.parse_json(path.read_bytes())
        formats = dict(index["formats"])
        fingerprints = [index[name] for name in FINGERPRINT_KEYS]
        if not all(isinstance(entry["files"], dict) for entry in formats.values()):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise console.PlainError(
            f"{path} was not written by this command. Name another folder with --out."
        ) from None
    if fingerprints != [build_export_metadata(card)[name] for name in FINGERPRINT_KEYS]:
        raise console.PlainError(
            f"{folder} contains exports of another detector. Name another folder with --out."
        )
    return formats


def check_no_foreign_files(
    folder: Path, export_format: ExportFormat, earlier_exports: dict[str, Any]
) -> None:
    """Check that a format would replace earlier exports only.

    Raises:
        PlainError: a file with a name of this format was not written by an export, or was changed
            since.
    """
    known = {
        path: digest
        for entry in earlier_exports.values()
        for path, digest in entry["files"].items()
    }
    existing = hash_files(folder, export_format.written_names)
    unknown = [path for path, digest in existing.items() if known.get(path) != digest]
    unknown += [
        name
        for name in export_format.written_names
        if (folder / name).exists() and not any(path.startswith(name) for path in existing)
    ]
    if unknown:
        raise console.PlainError(
            f"{folder / unknown[0]} is not an export listed in {INDEX_FILE}. Move it away, "
            "or name another folder with --out."
        )


@contextlib.contextmanager
def open_staging_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty temporary folder inside; a folder that was created and stays empty is
    removed."""
    is_new = not folder.exists()
    try:
        with atomic_files.create_temporary_folder(folder, "export") as temporary:
            yield temporary
    finally:
        if is_new:
            with contextlib.suppress(OSError):  # not empty: something was exported
                folder.rmdir()


def replace_exported_files(temporary: Path, folder: Path, export_format: ExportFormat) -> None:
    """Flush checked files to disk and move them to their final names."""
    atomic_files.flush_folder(temporary)
    for name in export_format.written_names:
        if (folder / name).is_dir():  # a folder cannot be replaced in one step
            os.replace(folder / name, temporary / f"before {name}")
        os.replace(temporary / name, folder / name)


def write_export_index(folder: Path, card: Card, formats: dict[str, Any]) -> None:
    listed = {
        name: asdict(entry) if isinstance(entry, ExportedModel) else entry
        for name, entry in formats.items()
    }
    atomic_files.write_atomically(
        folder / INDEX_FILE,
        (json.dumps({**build_export_metadata(card), "formats": listed}, indent=1) + "\n").encode(),
    )
