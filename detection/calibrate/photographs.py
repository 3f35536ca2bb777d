"""Read, check and judge the photographs of a calibration."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from data_collection.dataset import thumbnails
from data_collection.dataset.manifest import FaceRecord
from data_collection.images.containers import other_files
from data_collection.metadata.iptc_source_types import GENERATED
from data_collection.sources import class_folders, local_folder
from detection.detections import Detection
from detection.predictor import Detector
from runtime import console
from training.calibration import convert_to_logits
from validation.data import image_folder, overlap

UnusedKind = Literal[
    "copies of another file",
    "not judged",
    "known from training",
    "by their metadata from a generator",
]

KNOWN: UnusedKind = "known from training"


@dataclass(frozen=True)
class UnusedFile:
    """A file that does not set a cut, and why."""

    file: str
    kind: UnusedKind
    reason: str


@dataclass(frozen=True, kw_only=True)
class JudgedPhotographs:
    """Photographs that set a cut.

    Attributes:
        logits: of the detector at the quality where each is lowest, which decides whether it is
            called generated; shape (photographs,).
        groups: near-duplicates share one.
        unused: the other files.
        unchecked_reason: why some may be known from training all the same; empty if none is.
    """

    logits: np.ndarray
    groups: tuple[str, ...]
    unused: tuple[UnusedFile, ...]
    unchecked_reason: str

    def count_unused(self) -> dict[str, int]:
        """Return the number of unused files by kind."""
        return dict(Counter(unused.kind for unused in self.unused))


def judge_photographs(folder: Path, detector: Detector) -> JudgedPhotographs:
    """Judge the photographs of a folder, apart from those that cannot set a cut.

    Raises:
        PlainError: the folder is missing, or has a subfolder of generated images.
    """
    _refuse_generated_folders(folder)
    records, rejected = image_folder.read_image_folder(
        folder, "real", detector.card.crop, detector.any_picture
    )
    unused = [
        UnusedFile(
            file,
            "copies of another file"
            if reason.startswith(image_folder.COPY_REASON)
            else "not judged",
            reason,
        )
        for file, reason in rejected
    ]
    training_folder = Path(detector.card.dataset.folder)
    training_records, unchecked_reason = overlap.load_training_records(
        detector.card, training_folder
    )
    shared, known_ids = overlap.find_overlap(
        records, thumbnails.add_missing_thumbnails(training_folder, training_records)
    )
    unused += [UnusedFile(file, KNOWN, f"it is {match}") for file, match in shared.pairs]
    new = [record for record in records if record.id not in known_ids]
    used, refused = _judge_records(folder, new, detector)
    return JudgedPhotographs(
        logits=convert_to_logits(np.array([detection.low for _, detection in used])),
        groups=tuple(record.group for record, _ in used),
        unused=(*unused, *refused),
        unchecked_reason=unchecked_reason,
    )


def _refuse_generated_folders(folder: Path) -> None:
    if not folder.is_dir():
        other_files.refuse_other_path(folder)
        raise console.PlainError(f"{folder} is not a folder. Give a folder of photographs.")
    faces = local_folder.list_folder_candidates(folder, "real", "")
    classes = class_folders.classify_files(face.file for face in faces)
    generated = class_folders.list_contradicting_files(classes, "real")
    if generated:
        raise console.PlainError(
            f"{len(generated)} of {len(faces)} files of {folder} lie in folders of generated "
            f"images, such as {class_folders.name_examples(generated)}, and only photographs set "
            "the cut. Give the folder of the photographs alone."
        )


def _judge_records(
    folder: Path, records: Sequence[FaceRecord], detector: Detector
) -> tuple[list[tuple[FaceRecord, Detection]], list[UnusedFile]]:
    used, refused = [], []
    detections = detector.predict_all(folder / record.file for record in records)
    for record, detection in zip(
        records, console.track_progress(detections, "judging", len(records)), strict=True
    ):
        claim = next((claim for claim in detection.claims if claim.points_to == GENERATED), None)
        if detection.error:
            refused.append(UnusedFile(record.file, "not judged", detection.error))
        elif len(detection.faces or ()) > 1:
            reason = f"it shows {len(detection.faces)} faces, and a cut is set by single ones"
            refused.append(UnusedFile(record.file, "of several faces", reason))
        elif claim:
            refused.append(
                UnusedFile(record.file, "by their metadata from a generator", claim.text)
            )
        else:
            used.append((record, detection))
    return used, refused
