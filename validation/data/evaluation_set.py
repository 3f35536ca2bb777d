"""What a detector is judged on: the frozen hold-out, another data set, or any folder of
pictures."""

from dataclasses import dataclass, field
from pathlib import Path

from data_collection.dataset.manifest import FaceRecord


@dataclass(frozen=True)
class TrainingOverlap:
    """What was looked for among the images of training and validation split.

    Attributes:
        compared: with how many images.
        files, groups, near: pairs of file names (judged, learnt from) that are the same file, of
            one group, or nearly the same.
        dropped: how many images were taken out for it.
    """

    compared: int
    files: list[tuple[str, str]]
    groups: list[tuple[str, str]]
    near: list[tuple[str, str]]
    dropped: int = 0

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return [*self.files, *self.groups, *self.near]


@dataclass(frozen=True)
class EvaluationSet:
    """Images with known labels.

    Attributes:
        name: for people: "the hold-out of data/faces".
        folder: what the records' `original` paths start from.
        refused: file and reason of every image that could not be judged.
        overlap: what it shares with the training; None if that is not known.
        unchecked: why it is not known; empty if it is.
        opened: how often the hold-out was opened, this time included, and under how many names;
            None if it is none.
    """

    name: str
    folder: Path
    records: list[FaceRecord]
    refused: list[tuple[str, str]] = field(default_factory=list)
    overlap: TrainingOverlap | None = None
    unchecked: str = ""
    opened: tuple[int, int] | None = None

    @property
    def one_source_each(self) -> bool:
        """Whether every label has but one source, so that nobody can tell a generator from a
        source."""
        labels = {record.label for record in self.records}
        return len(labels) == len({(record.label, record.source) for record in self.records})
