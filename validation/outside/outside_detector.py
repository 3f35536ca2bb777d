"""OutsideDetector: whatever gives images a probability and was not made by Telltale."""

import abc
from dataclasses import dataclass, field

import numpy as np

from validation.data.evaluation_set import EvaluationSet


@dataclass(frozen=True)
class OutsideScores:
    """The probabilities of an outside detector.

    Attributes:
        probabilities: of *generated*, shape (images,); NaN for an image that it did not score.
        notes: sentences for the report about how they came about.
    """

    probabilities: np.ndarray
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class OutsideDetector(abc.ABC):
    """A detector that was not made by Telltale.

    Attributes:
        name: in tables, messages and `hold_out_opened`.
        input_note: a sentence on what it sees of an image.
    """

    name: str
    input_note: str

    @abc.abstractmethod
    def score_images(self, data: EvaluationSet) -> OutsideScores:
        """Score the images of a set.

        Raises:
            PlainError: it fails, or gives anything but one probability per image.
        """


def format_name(name: str) -> str:
    """Return the name of an outside detector in tables and legends."""
    return f"{name} (outside)"
