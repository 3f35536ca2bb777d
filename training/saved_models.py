"""Writes and safely reads saved_models/<name>/{detector.keras, detector.onnx, card.json}."""

import contextlib
import dataclasses
import datetime
import difflib
import functools
import hashlib
import importlib.metadata
import json
import math
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_collection import checked_json, console, face_images, manifest
from training import onnx_files, whole_folders
from training.calibration import Calibration

CARD = "card.json"
KERAS_FILE, ONNX_FILE = "detector.keras", "detector.onnx"
CARD_VERSION = 1
LIBRARIES = ("keras", "tensorflow", "keras-tuner", "onnxruntime", "scikit-learn", "numpy", "pillow")


@dataclass(frozen=True)
class Card:
    """Everything a reader of a saved detector must know.

    Attributes:
        name: the folder's name.
        created: UTC, ISO 8601.
        image_size: side of the square that the detector takes, in pixels.
        canonicaliser: version of the canonicaliser that it was trained behind.
        crop: how pictures were cropped, and are before they are judged: "centre" or "face".
        dataset: path, fingerprint, hash of the hold-out, and images per split and label.
        base: name, and origin, sha256 and note of its pretrained weights.
        search: tuner, trials, of each head of the winner its hyperparameters and the weight of its logit, and the winner's loss
            and AUC with every seed.
        calibration: temperature, threshold and band of doubt; see calibration.Calibration.
        metrics: on the validation split.
        baselines: for each baseline its validation metrics, and its file, calibration and cost where it can judge images.
        parity: largest difference between detector.keras and detector.onnx, measured when they were saved.
        sha256: of every model file, by file name.
        versions: of the libraries that made it.
        settings: of the training command.
        banner: what every report on the detector says first; empty if the audit of its data found nothing.
        cost: parameters, megabytes and milliseconds of detector.onnx; see costs.Cost.
    """

    name: str
    created: str
    image_size: int
    canonicaliser: int
    dataset: dict[str, Any]
    base: dict[str, str]
    search: dict[str, Any]
    calibration: Calibration
    metrics: dict[str, int | float]
    baselines: dict[str, dict[str, Any]]
    parity: float
    sha256: dict[str, str]
    versions: dict[str, str]
    settings: dict[str, Any] = field(default_factory=dict)
    banner: str = ""
    crop: str = "centre"
    cost: dict[str, int | float] = field(default_factory=dict)
    card_version: int = CARD_VERSION


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")


@functools.cache
def versions() -> dict[str, str]:
    """Of the LIBRARIES that are installed."""
    installed = {each.name.lower(): each.version for each in importlib.metadata.distributions() if each.name}
    return {name: installed[name] for name in LIBRARIES if name in installed}


def free_name(folder: Path, wanted: str, stem: str) -> str:
    """The wanted name, or the stem and the time; the folder is there and can be written to when it returns.

    Raises:
        PlainError: it is taken.
        OSError: nothing can be written there, which is better known before a search than after it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass
    name = wanted or f"{stem}-{datetime.datetime.now(datetime.UTC):%Y%m%d-%H%M%S}"
    if (folder / name).exists():
        raise console.PlainError(f"{folder / name} exists; give another --name.")
    return name


@contextlib.contextmanager
def being_written(folder: Path, name: str) -> Iterator[Path]:
    """Gives a folder to write a model into; it gets its name when everything in it is written, or never."""
    with whole_folders.temporary(folder, name) as temporary:
        yield temporary
        whole_folders.synced(temporary)
        os.replace(temporary, folder / name)
        manifest.flushed(folder)


def write_card(folder: Path, card: Card) -> None:
    manifest.write_whole(folder / CARD, (json.dumps(dataclasses.asdict(card), indent=1, default=str) + "\n").encode())


def find(folder: Path, named: Path | None) -> Path:
    """The model that a person names (by path, or by name inside `folder`), or the newest one.

    Raises:
        PlainError: there is none.
    """
    if named is None:
        cards = readable_cards(folder)
        return folder / max(cards, key=lambda name: cards[name].created)
    for path in (named, folder / named):
        if (path / CARD).is_file():
            return path
    close = difflib.get_close_matches(named.name, _names(folder), n=1)
    hint = f"did you mean {folder / close[0]}?" if close else f"saved detectors lie in {folder}."
    raise console.PlainError(f"{named} is no saved detector; {hint}", console.BAD_MODEL)


def readable_cards(folder: Path) -> dict[str, Card]:
    """The card of every detector in a folder, by name; warns of those that cannot be read.

    Raises:
        PlainError: there is none.
    """
    cards = {}
    for name in _names(folder):
        try:
            cards[name] = read_card(folder / name)
        except console.PlainError as error:
            console.warn(f"{name} is passed over. {error}")
    if not cards:
        raise console.PlainError(
            f"{folder} holds no detector; run python -m training first, or name one with --model.", console.BAD_MODEL
        )
    return cards


def _names(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.glob(f"*/{CARD}") if not path.parent.name.startswith("."))


def read_card(folder: Path) -> Card:
    """Reads card.json.

    Raises:
        PlainError: it is damaged, or of another version.
    """
    path = folder / CARD
    try:
        card = checked_json.decoded(path.read_bytes(), Card)
        _check(card)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise console.PlainError(f"{path} is damaged or of another version; train again.", console.BAD_MODEL) from None
    if (card.card_version, card.canonicaliser) != (CARD_VERSION, face_images.CANONICALISER_VERSION):
        raise console.PlainError(f"{path} was written by another version of Telltale; train again.", console.BAD_MODEL)
    return card


def _check(card: Card) -> None:
    """Raises ValueError, KeyError or TypeError for what would fail somewhere else without a word on why."""
    band = card.calibration
    if not (0 <= band.real_below <= band.generated_above <= 1 and 0 <= band.threshold <= 1 and 0 < band.temperature < math.inf):
        raise ValueError
    if not 16 <= card.image_size <= 4096:
        raise ValueError
    if card.crop not in face_images.CROPS or not all(map(str.isalnum, card.sha256.values())):
        raise ValueError
    sum(card.dataset["images"]["train"].values())
    Path(card.dataset["folder"])


def intact(folder: Path, card: Card, file: str) -> Path:
    """The path of a model file, after comparing its hash with the card.

    Raises:
        PlainError: the file is missing, or is not the one that was saved.
    """
    path = folder / file
    if not path.is_file() or onnx_files.sha256(path) != card.sha256.get(file):
        raise _not_as_saved(path)
    return path


def read_intact(folder: Path, card: Card, file: str) -> bytes:
    """The bytes of a model file, compared with the card: unlike a path's, nobody can alter them afterwards.

    Raises:
        PlainError: as `intact`.
    """
    path = folder / file
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != card.sha256.get(file):
        raise _not_as_saved(path)
    return data


def _not_as_saved(path: Path) -> console.PlainError:
    what = "was altered since it was saved" if path.is_file() else "is missing"
    return console.PlainError(f"{path} {what}; it is not opened. Train again or restore it.", console.BAD_MODEL)
