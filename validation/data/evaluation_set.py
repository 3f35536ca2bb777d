"""EvaluationSet: the hold-out, another data set, or any folder of images."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from data_collection.dataset import manifest
from data_collection.dataset.manifest import FaceRecord
from data_collection.stored_datasets.corrections import Correction


@dataclass(frozen=True, kw_only=True)
class TrainingOverlap:
    """Overlap of the evaluation set with the training and validation splits.

    Attributes:
        compared: number of training and validation images that were compared.
        compared_by_hash_only: number of those whose cropped, turned or framed copies could not be
            looked for, because an older version collected them and their pictures are not here.
        files, groups, near_duplicates: pairs of file names (evaluated, used for training) that
            are the same file, of one group, or nearly the same.
        dropped: number of images left out because of it.
    """

    compared: int
    files: list[tuple[str, str]]
    groups: list[tuple[str, str]]
    near_duplicates: list[tuple[str, str]]
    dropped: int = 0
    compared_by_hash_only: int = 0

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return [*self.files, *self.groups, *self.near_duplicates]

    def without_file_names(self) -> "TrainingOverlap":
        """Return the same counts, with empty file names."""
        lists = {name: getattr(self, name) for name in ("files", "groups", "near_duplicates")}
        return replace(self, **{name: [("", "")] * len(pairs) for name, pairs in lists.items()})


@dataclass(frozen=True, kw_only=True)
class EvaluationSet:
    """Images with known labels.

    Attributes:
        name: name in messages and reports, such as "the hold-out of data/faces".
        folder: base of the records' `original` paths.
        rejected: file and reason of every image that could not be scored.
        overlap: overlap with the training images; None if unknown.
        overlap_unknown_reason: why the overlap is unknown; empty if it is known.
        hold_out_openings: number of openings of the hold-out, this one included, and of names of
            detectors that it was opened for; None if this is not the hold-out.
        corrections: images of the hold-out that were dropped or relabelled by hand.
        corrected_since_training: whether that happened after the detector was trained.
    """

    name: str
    folder: Path
    records: list[FaceRecord]
    rejected: list[tuple[str, str]] = field(default_factory=list)
    overlap: TrainingOverlap | None = None
    overlap_unknown_reason: str = ""
    hold_out_openings: tuple[int, int] | None = None
    corrections: list[Correction] = field(default_factory=list)
    corrected_since_training: bool = False

    @property
    def is_dataset(self) -> bool:
        """Whether the images are those of a collected data set."""
        return manifest.manifest_path(self.folder).is_file()

    @property
    def one_source_per_class(self) -> bool:
        """Whether each class has one source, so that class and source cannot be distinguished."""
        labels = {record.label for record in self.records}
        return len(labels) == len({(record.label, record.source) for record in self.records})

    def without_file_names(self) -> "EvaluationSet":
        """Return the set for a report that names no file of it."""
        return replace(
            self,
            rejected=[("a file", reason) for _, reason in self.rejected],
            overlap=self.overlap and self.overlap.without_file_names(),
            corrections=[replace(row, file="") for row in self.corrections],
        )
