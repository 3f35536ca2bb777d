"""card.json: everything a reader of a saved detector must know, as dataclasses, read and checked in
one place."""

import dataclasses
import datetime
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_collection.images import canonical, decode
from runtime import atomic_files, checked_json, console
from training.calibration import Calibration

CARD_FILE = "card.json"


CARD_VERSION = 1


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
        search: tuner, trials, of each head of the winner its hyperparameters and the weight of its
            logit, and the winner's loss and AUC with every seed.
        calibration: temperature, threshold and band of doubt; see calibration.Calibration.
        metrics: on the validation split.
        baselines: for each baseline its validation metrics, and its file, calibration and cost
            where it can judge images.
        parity: largest difference between detector.keras and detector.onnx, measured when they were
            saved.
        sha256: of every model file, by file name.
        versions: of the libraries that made it.
        settings: of the training command.
        banner: what every report on the detector says first; empty if the audit of its data found
            nothing.
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


def make_timestamp() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")


def write_card(folder: Path, card: Card) -> None:
    atomic_files.write_atomically(
        folder / CARD_FILE,
        (json.dumps(dataclasses.asdict(card), indent=1, default=str) + "\n").encode(),
    )


def read_card(folder: Path) -> Card:
    """Reads card.json.

    Raises:
        PlainError: it is damaged, or of another version.
    """
    path = folder / CARD_FILE
    try:
        card = checked_json.parse_json_as(path.read_bytes(), Card)
        _validate_card(card)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise console.PlainError(
            f"{path} is damaged or of another version; train again.", console.EXIT_BAD_MODEL
        ) from None
    if (card.card_version, card.canonicaliser) != (CARD_VERSION, canonical.CANONICALISER_VERSION):
        raise console.PlainError(
            f"{path} was written by another version of Telltale; train again.",
            console.EXIT_BAD_MODEL,
        )
    return card


def _validate_card(card: Card) -> None:
    """Raises ValueError, KeyError or TypeError for what would fail somewhere else without a word on
    why."""
    band = card.calibration
    if not (
        0 <= band.real_below <= band.generated_above <= 1
        and 0 <= band.threshold <= 1
        and 0 < band.temperature < math.inf
    ):
        raise ValueError
    if not 16 <= card.image_size <= 4096:
        raise ValueError
    if card.crop not in decode.CROPS or not all(map(str.isalnum, card.sha256.values())):
        raise ValueError
    sum(card.dataset["images"]["train"].values())
    Path(card.dataset["folder"])


@dataclass(frozen=True)
class BlockChange:
    """What training did to one block: how many numbers it may change, and the largest change of
    one."""

    block: str
    parameters: int
    largest: float


@dataclass(frozen=True)
class InferenceCost:
    """Of one ONNX file.

    Attributes:
        parameters: numbers in it, those of the resize and the preprocessing included.
        megabytes: of the file.
        milliseconds: for one image alone, with all cores of the machine that trained; the median.
    """

    parameters: int
    megabytes: float
    milliseconds: float
