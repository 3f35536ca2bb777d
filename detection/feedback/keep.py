"""Keep one judged picture in the regression set, for the command and the page alike."""

import datetime
from dataclasses import dataclass

from detection.detections import Detection
from detection.feedback.opinion import Opinion
from training.detectors import saved_models
from training.detectors.card import Card
from validation.regression_set.stored_pictures import RegressionSet, StoredPicture

SEVERAL_FACES = (
    "it shows several faces, and validation scores pictures of one; cut out the face that was "
    "judged wrongly and keep that file"
)


class PictureRefused(Exception):
    """A picture is not kept; the message says why."""


@dataclass(frozen=True)
class KeptPicture:
    """A picture in the set.

    Attributes:
        is_new: whether it was not in it before.
    """

    row: StoredPicture
    is_new: bool


def keep_judged_picture(
    kept: RegressionSet, card: Card, detection: Detection, data: bytes, opinion: Opinion
) -> KeptPicture:
    """Keep the bytes of a picture with its true label and the answer of a detector.

    Args:
        card: of the detector.
        detection: its answer.

    Raises:
        PictureRefused: it was not judged, shows several faces, or is kept with the other label.
        SetIsFull: the set may not grow any more.
        PlainError: the set is damaged, or another command holds it for too long.
    """
    if detection.error:
        raise PictureRefused(detection.error)
    if len(detection.faces or ()) > 1 or detection.passed_over:
        raise PictureRefused(SEVERAL_FACES)
    row = StoredPicture(
        sha256=detection.sha256,
        truth=opinion.truth,
        kind=opinion.kind,
        note=opinion.note,
        name=detection.path.name,
        without_face=not detection.faces,
        added=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        detector=card.name,
        detector_sha256=card.sha256[saved_models.ONNX_FILE],
        verdict=detection.verdict,
        probability=round(detection.probability, 6),
    )
    known = kept.add(row, data)
    if known is None:
        return KeptPicture(row, is_new=True)
    if known.truth != row.truth:
        raise PictureRefused(
            f"it is kept already as {known.truth}, since {known.added[:10]}; if that is wrong, "
            f"remove it first: python -m detection feedback --remove {known.sha256[:12]}"
        )
    return KeptPicture(known, is_new=False)
