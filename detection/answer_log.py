"""Save answers to the file of --keep, so that an interrupted run resumes and a second run is fast.

The file has one JSON object per line: first the detector, then the sha256 and probability of each
image. A line torn by a crash is dropped. The file contains no paths.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import filelock

from data_collection.images import canonical
from detection.predictor import Detection
from runtime import checked_json, console
from training.detectors import saved_models
from training.detectors.card import Card


@dataclass
class AnswerLog:
    """Probabilities by the sha256 of the image; `add` also appends to the file, if there is one."""

    known_probabilities: dict[str, float] = field(default_factory=dict)
    file: TextIO | None = None

    def add(self, detection: Detection) -> None:
        if (
            self.file
            and detection.probability is not None
            and detection.sha256 not in self.known_probabilities
        ):
            self.known_probabilities[detection.sha256] = detection.probability
            row = {"sha256": detection.sha256, "probability": detection.probability}
            self.file.write(json.dumps(row) + "\n")
            self.file.flush()


@contextlib.contextmanager
def open_answer_log(
    path: Path | None, card: Card, any_picture: bool = False
) -> Iterator[AnswerLog]:
    """Open the answer log, read its answers and append new ones; without a path nothing is saved.

    Raises:
        PlainError: the file belongs to another detector, is not an answer log, or another run is
            writing it.
    """
    if path is None:
        yield AnswerLog()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            filelock.FileLock(f"{path}.lock", timeout=0),
            path.open("a+", encoding="utf-8") as file,
        ):
            yield AnswerLog(_read_known_probabilities(path, file, card, any_picture), file)
    except filelock.Timeout:
        raise console.PlainError(
            f"Another run is writing {path}. Wait until it ends, or give another file.",
            console.EXIT_BUSY,
        ) from None


def _read_known_probabilities(
    path: Path, file: TextIO, card: Card, any_picture: bool
) -> dict[str, float]:
    header = {
        "detector": card.sha256[saved_models.ONNX_FILE],
        "canonicaliser": canonical.CANONICALISER_VERSION,
        "any_picture": any_picture,
    }
    file.seek(0)
    try:
        text = file.read()
        complete = text[: text.rfind("\n") + 1]
        if not complete and not json.dumps(header).startswith(text):
            raise ValueError
        rows = [checked_json.parse_json(line) for line in complete.splitlines()] or [header]
        known_probabilities = {row["sha256"]: float(row["probability"]) for row in rows[1:]}
    except (ValueError, KeyError, TypeError):
        raise console.PlainError(
            f"{path} is not a file of saved answers. Name another file with --keep."
        ) from None
    if rows[0] != header:
        raise console.PlainError(
            f"{path} contains answers of another detector, or with another choice of "
            "--any-picture. Name another file with --keep."
        )
    if complete != text:
        file.truncate(len(complete.encode()))
    if not complete:
        file.write(json.dumps(header) + "\n")
    return known_probabilities
