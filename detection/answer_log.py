"""--keep FILE: answers by the content of the picture, so that an interrupted run carries on and a
second one is quick.

One JSON object a line: first the detector, then a picture's sha256 and its probability. A line that
was torn by a crash is dropped, and the file names no paths.
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
    """Probabilities by sha256 of the picture; `add` also appends to the file, if there is one."""

    known_probabilities: dict[str, float] = field(default_factory=dict)
    file: TextIO | None = None

    def add(self, detection: Detection) -> None:
        if (
            self.file
            and detection.probability is not None
            and detection.sha256 not in self.known_probabilities
        ):
            self.known_probabilities[detection.sha256] = detection.probability
            self.file.write(
                json.dumps({"sha256": detection.sha256, "probability": detection.probability})
                + "\n"
            )
            self.file.flush()


@contextlib.contextmanager
def open_answer_log(path: Path | None, card: Card, one_face: bool = False) -> Iterator[AnswerLog]:
    """Reads what the file holds and appends to it; without a path nothing is kept.

    Raises:
        PlainError: it was written by another detector, is no such file, or another run is writing
            it.
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
            yield AnswerLog(_read_known_probabilities(path, file, card, one_face), file)
    except filelock.Timeout:
        raise console.PlainError(
            f"Another run is writing {path}; wait for it, or name another file.", console.EXIT_BUSY
        ) from None


def _read_known_probabilities(
    path: Path, file: TextIO, card: Card, one_face: bool
) -> dict[str, float]:
    header = {
        "detector": card.sha256[saved_models.ONNX_FILE],
        "canonicaliser": canonical.CANONICALISER_VERSION,
    }
    header |= {"one_face": one_face}
    file.seek(0)
    try:
        text = file.read()
        whole = text[: text.rfind("\n") + 1]
        if not whole and not json.dumps(header).startswith(text):
            raise ValueError
        first, *lines = [checked_json.parse_json(line) for line in whole.splitlines()] or [header]
        known_probabilities = {line["sha256"]: float(line["probability"]) for line in lines}
    except (ValueError, KeyError, TypeError):
        raise console.PlainError(
            f"{path} holds no answers that were kept; name another file with --keep."
        ) from None
    if first != header:
        raise console.PlainError(
            f"{path} holds another detector's answers; name another file with --keep."
        )
    if whole != text:
        file.truncate(len(whole.encode()))
    if not whole:
        file.write(json.dumps(header) + "\n")
    return known_probabilities
