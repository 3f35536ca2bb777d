"""Score the pictures that came back with the detector that is validated."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data_collection.dataset import thumbnails
from data_collection.dataset.manifest import LABELS, FaceRecord, ImageClass
from data_collection.source_types import CandidateFace
from training.cuts.verdicts import ABSTAIN, Verdict
from training.detectors.card import Card
from validation.data import image_folder, overlap
from validation.metrics.scored_images import ScoredImages
from validation.predictions import Scorer, score_images
from validation.regression_set.stored_pictures import RegressionSet, StoredPicture


@dataclass(frozen=True, kw_only=True)
class RescoredPicture:
    """A picture that came back, and the validated detector's answer to it."""

    picture: StoredPicture
    verdict: Verdict
    probability: float

    @property
    def is_right(self) -> bool:
        """Whether the answer now is the true label."""
        return self.verdict == self.picture.truth


@dataclass(frozen=True)
class AnswerCount:
    """Number of pictures by their answer."""

    right: int
    abstained: int
    wrong: int


@dataclass(frozen=True, kw_only=True)
class KindCounts:
    """Counts of one kind of picture of one true label; an empty kind is one that nobody named.

    Attributes:
        before: by the answer for which each came back, of whichever detector gave it.
        now: by the answer of the validated detector.
    """

    truth: ImageClass
    kind: str
    pictures: int
    before: AnswerCount
    now: AnswerCount


@dataclass(frozen=True, kw_only=True)
class RescoredSet:
    """The regression set under the validated detector.

    Attributes:
        pictures: those that were scored, the oldest first.
        kinds: their counts.
        from_training: number of pictures left out because the detector was trained on them or on
            near-duplicates.
        from_training_unknown: why others may have been; empty if that is known.
        not_scored: beginning of the hash and reason of each picture that could not be scored.
    """

    pictures: list[RescoredPicture]
    kinds: list[KindCounts]
    from_training: int
    from_training_unknown: str
    not_scored: list[tuple[str, str]]

    @property
    def right(self) -> int:
        """Number of pictures whose answer now is the true label."""
        return sum(picture.is_right for picture in self.pictures)


def rescore_pictures(
    kept: RegressionSet, card: Card, scorer: Scorer, training_folder: Path
) -> RescoredSet | None:
    """Score the pictures that came back; None if there are none.

    Args:
        training_folder: folder of the data set that the detector was trained on.

    Raises:
        PlainError: the rows of the set are damaged.
    """
    rows = kept.read()
    if not rows:
        return None
    records, rejected = _examine_pictures(kept, rows, card.crop)
    training_records, unknown = overlap.load_training_records(card, training_folder)
    known = overlap.find_overlap(
        records, thumbnails.add_missing_thumbnails(training_folder, training_records)
    )[1]
    pictures = _score_records(
        kept.folder, [record for record in records if record.id not in known], rows, scorer
    )
    return RescoredSet(
        pictures=pictures,
        kinds=count_kinds(pictures),
        from_training=len(known),
        from_training_unknown=unknown,
        not_scored=[(Path(file).name[:12], reason) for file, reason in rejected],
    )


def _examine_pictures(
    kept: RegressionSet, rows: Sequence[StoredPicture], crop: str
) -> tuple[list[FaceRecord], list[tuple[str, str]]]:
    """Return a record of every picture that shows what the detector judges; see
    `image_folder.examine_images`. The crop is the detector's own, whichever judged it before."""
    records, rejected = [], []
    for without_face in (False, True):
        candidates = [
            CandidateFace(
                label=row.truth,
                source=row.kind,
                file=row.file,
                load=lambda row=row: kept.read_picture(row),
            )
            for row in rows
            if row.without_face == without_face
        ]
        usable, refused = image_folder.examine_images(candidates, crop, without_face)
        records += usable
        rejected += refused
    return records, rejected


def _score_records(
    folder: Path, records: Sequence[FaceRecord], rows: Sequence[StoredPicture], scorer: Scorer
) -> list[RescoredPicture]:
    answers = {}
    for crop in sorted({record.crop for record in records}):
        cropped = sorted(
            (record for record in records if record.crop == crop), key=lambda record: record.id
        )
        # the centre of a picture without a face, also by a detector of face crops
        (probabilities,) = score_images(folder, cropped, [replace(scorer, crop=crop)])
        answers |= _decide(cropped, probabilities, scorer)
    return [
        RescoredPicture(picture=row, verdict=verdict, probability=probability)
        for row in rows
        if row.sha256 in answers
        for verdict, probability in [answers[row.sha256]]
    ]


def _decide(
    records: Sequence[FaceRecord], probabilities: np.ndarray, scorer: Scorer
) -> dict[str, tuple[Verdict, float]]:
    """Return the verdict and the probability of each record, by its id."""
    calibration = scorer.calibration
    scored = ScoredImages.from_records(
        records, probabilities, calibration.threshold, calibration.point
    )
    return {
        record.id: (str(answer), float(probability))
        for record, answer, probability in zip(
            records, scored.answers, scored.probabilities, strict=True
        )
    }


def count_kinds(pictures: Sequence[RescoredPicture]) -> list[KindCounts]:
    """Return the counts of every true label and kind, photographs first."""
    kinds: dict[tuple[ImageClass, str], list[RescoredPicture]] = {}
    for rescored in pictures:
        key = rescored.picture.truth, rescored.picture.kind
        kinds.setdefault(key, []).append(rescored)
    return [
        KindCounts(
            truth=truth,
            kind=kind,
            pictures=len(members),
            before=_count_answers(truth, [each.picture.verdict for each in members]),
            now=_count_answers(truth, [each.verdict for each in members]),
        )
        for (truth, kind), members in sorted(
            kinds.items(), key=lambda item: (LABELS.index(item[0][0]), item[0][1])
        )
    ]


def _count_answers(truth: ImageClass, verdicts: Sequence[Verdict]) -> AnswerCount:
    right, abstained = verdicts.count(truth), verdicts.count(ABSTAIN)
    return AnswerCount(right, abstained, len(verdicts) - right - abstained)
