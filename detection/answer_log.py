"""Save answers to the file of --keep, so that an interrupted run resumes and a second run is fast.

The file has one JSON object per line: first the detector, then the sha256 of each image, and the
probabilities, boxes and generators of its faces; verdicts are decided anew. Of several lines on an
image the last counts, and a line torn by a crash is dropped. The file contains no paths.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO

from data_collection.images import canonical
from detection.detections import Detection, KnownAnswer, ProbabilityRange
from runtime import atomic_files, checked_json, console
from training.detectors import saved_models
from training.detectors.card import Card

ANSWER_LOG_VERSION = 2
"""Raise it with every change to the rows, or to which squares of an image are judged."""


@dataclass
class AnswerLog:
    """Answers by the sha256 of the image; `add` also appends to the file, if there is one."""

    known_answers: dict[str, KnownAnswer] = field(default_factory=dict)
    file: TextIO | None = None

    def add(self, detection: Detection) -> None:
        if not self.file or detection.probability is None:
            return
        answer = _make_known_answer(detection)
        known = self.known_answers.get(detection.sha256)
        if known is None or _has_more_generators(answer, known):
            self.known_answers[detection.sha256] = answer
            row = {"sha256": detection.sha256, **asdict(answer)}
            self.file.write(json.dumps(row) + "\n")
            self.file.flush()


def _has_more_generators(answer: KnownAnswer, known: KnownAnswer) -> bool:
    """Return whether an answer has the generator of a square for which the known one lacks it."""
    before = known.generators or (None,) * len(answer.generators)
    return any(new and not old for new, old in zip(answer.generators, before, strict=True))


def _make_known_answer(detection: Detection) -> KnownAnswer:
    whole = ProbabilityRange(detection.probability, detection.low, detection.high)
    faces = detection.faces or ()
    generators = [row.generator and row.generator.nearest for row in faces or (detection,)]
    return KnownAnswer(
        probabilities=tuple(face.range for face in faces) or (whole,),
        boxes=tuple(face.box for face in faces),
        passed_over=detection.passed_over,
        warnings=detection.warnings,
        generators=tuple(generators) if any(generators) else (),
    )


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
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise console.PlainError(f"{path} is a device or a pipe. Name a file with --keep.")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()  # where nothing can be created, a lock looks as if another run held it
    message = f"Another run is writing {path}. Wait until it ends, or give another file."
    lock = path.with_name(f"{path.name}.lock")
    with atomic_files.lock_file(lock, message), path.open("a+", encoding="utf-8") as file:
        yield AnswerLog(_read_known_answers(path, file, card, any_picture), file)


def make_header(card: Card, any_picture: bool) -> dict[str, object]:
    """Return everything that answers depend on, apart from the image."""
    return {
        "detector": card.sha256[saved_models.ONNX_FILE],
        "canonicaliser": canonical.CANONICALISER_VERSION,
        "qualities": list(card.qualities),
        "any_picture": any_picture,
        "version": ANSWER_LOG_VERSION,
    }


def _read_known_answers(
    path: Path, file: TextIO, card: Card, any_picture: bool
) -> dict[str, KnownAnswer]:
    header = make_header(card, any_picture)
    file.seek(0)
    try:
        text = file.read()
        complete = text[: text.rfind("\n") + 1]
        if not complete and not json.dumps(header).startswith(text):
            raise ValueError
        rows = [checked_json.parse_json(line) for line in complete.splitlines()] or [header]
        known_answers = {
            row["sha256"]: _read_known_answer(row) for row in rows[1:] if rows[0] == header
        }
    except (ValueError, KeyError, TypeError):
        raise console.PlainError(
            f"{path} is not a file of saved answers. Name another file with --keep."
        ) from None
    if rows[0] != header:
        raise console.PlainError(
            f"{path} contains answers of another detector or version, or with another choice of "
            "--any-picture. Name another file with --keep."
        )
    if complete != text:
        file.truncate(len(complete.encode()))
    if not complete:
        file.write(json.dumps(header) + "\n")
    return known_answers


def _read_known_answer(row: dict) -> KnownAnswer:
    """Raises ValueError, KeyError or TypeError for what is no answer."""
    names = ("probabilities", "boxes", "passed_over", "warnings")
    content = {name: row[name] for name in names} | {"generators": row.get("generators", [])}
    answer = checked_json.convert_to(content, KnownAnswer)
    n_squares = max(1, len(answer.boxes))
    if len(answer.probabilities) != n_squares or len(answer.generators) not in (0, n_squares):
        raise ValueError
    return answer
