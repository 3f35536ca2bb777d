"""The head of a matrix that `python -m training` would find: its search and its committee, on the same cached features."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data_collection import console
from training import head_search, winner
from training.calibration import sigmoid
from training.heads import TrainingFaces, indices
from training.settings import TrainingSettings

if TYPE_CHECKING:
    from validation.matrix_heads import Lesson


@dataclass(frozen=True)
class Committee:
    """Searched heads, whose calibrated logits are averaged."""

    heads: Sequence[winner.Head]

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        logits = [
            np.asarray(head.model.predict_on_batch(features[:, indices(head.columns)]))[:, 0] / head.temperature
            for head in self.heads
        ]
        return sigmoid(np.mean(logits, axis=0, dtype=np.float64))


def searched(lesson: "Lesson") -> Committee:
    """What training finds with its own settings; its trials are not told and not kept."""
    faces = {lesson.settings.base: _faces(lesson)}
    labels, settings = lesson.them.label[lesson.validation], TrainingSettings(bases=(lesson.settings.base,))
    before, console.err.quiet = console.err.quiet, True
    try:
        with tempfile.TemporaryDirectory() as folder:
            place, numbers = Path(folder), (settings.trials, settings.epochs, settings.batch_size, settings.seed)
            trials = head_search.search(faces, "", place, place / "logs", settings.tuner, *numbers)
            return Committee(winner.fit(trials, faces, labels, settings.seed, settings, place / "winner").heads)
    finally:
        console.err.quiet = before


def _faces(lesson: "Lesson") -> TrainingFaces:
    them, parts = lesson.them, (lesson.train, lesson.validation)
    return TrainingFaces(
        lesson.features.columns,
        lesson.views(lesson.train),
        lesson.features.plain[lesson.validation][:, None],
        *(them.label[rows] for rows in parts),
        *([them.records[row].source for row in rows] for rows in parts),
    )
