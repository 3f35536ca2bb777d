"""EvidenceRecord: everything that a page of evidence says, as the JSON inside it."""

import base64
import datetime
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from detection.detections import Detection, FaceDetection
from detection.provenance.claims import Claim
from runtime import checked_json, hashing
from training.attribution.attribution import GeneratorAnswer
from training.cuts.statement import DetectorStatement
from training.cuts.verdicts import Verdict

MAX_THUMBNAIL_BYTES = 200_000

MAX_SIDE_PX = 1_000_000

JPEG_START = b"\xff\xd8\xff"


@dataclass(frozen=True, kw_only=True)
class PictureRecord:
    """The judged file.

    Attributes:
        name: of the file, without its folder.
        width, height: of the upright picture, in pixels, in which boxes are given.
        decoded_width, decoded_height: as it was judged; smaller for a very large JPEG.
        thumbnail: a small JPEG without metadata, in base64.
    """

    name: str
    size_bytes: int
    sha256: str
    format: str
    width: int
    height: int
    decoded_width: int
    decoded_height: int
    thumbnail: str

    @property
    def thumbnail_jpeg(self) -> bytes:
        """The bytes of the thumbnail."""
        return base64.b64decode(self.thumbnail, validate=True)


@dataclass(frozen=True, kw_only=True)
class DetectorRecord:
    """The detector that judged.

    Attributes:
        created: when it was trained, UTC, ISO 8601.
        model_sha256, card_sha256: hashes of detector.onnx and of card.json.
    """

    name: str
    created: str
    model_sha256: str
    card_sha256: str


@dataclass(frozen=True, kw_only=True)
class EvidenceOptions:
    """The options of detection that the answer depends on; None for the detector's own cut.

    Attributes:
        calibration: name of the own calibration; empty without one.
        calibration_sha256: hash of its file.
    """

    false_alarms: float | None
    misses: float | None
    prevalence: float | None
    any_picture: bool
    calibration: str
    calibration_sha256: str


@dataclass(frozen=True, kw_only=True)
class AnswerRecord:
    """The answer; its fields are those of Detection."""

    verdict: Verdict
    probability: float
    low: float
    high: float
    at_prevalence: float | None
    faces: tuple[FaceDetection, ...]
    passed_over: int
    generator: GeneratorAnswer | None
    warnings: tuple[str, ...]

    def to_detection(self) -> Detection:
        """Return the answer as detection gives it, without the file."""
        return Detection(path=Path(), **vars(self))


@dataclass(frozen=True, kw_only=True)
class EvidenceRecord:
    """Everything that a page of evidence says.

    Attributes:
        layout: hash of the template that shows it.
        created: UTC, ISO 8601.
        worth: the detector's statement on such answers, without the reason why it was taken.
        limits: what the detector must not be used for.
        versions: of the programs that made it, by name.
    """

    layout: str
    created: str
    picture: PictureRecord
    detector: DetectorRecord
    options: EvidenceOptions
    answer: AnswerRecord
    worth: DetectorStatement
    claims: tuple[Claim, ...]
    limits: tuple[str, ...]
    versions: dict[str, str]

    def encode(self) -> str:
        """Return the canonical JSON."""
        return encode_canonical_json(asdict(self))

    @property
    def sha256(self) -> str:
        """Hash of the canonical JSON."""
        return hashing.hash_bytes(self.encode().encode())


def encode_canonical_json(content: object) -> str:
    """Return JSON with sorted keys, without spaces, of ASCII only.

    Raises:
        ValueError: a number is none, or infinite.
    """
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def convert_to_record(content: object) -> EvidenceRecord:
    """Convert parsed JSON to a record.

    Raises:
        ValueError: it is none, or has values that no answer has.
    """
    json.dumps(content, ensure_ascii=False).encode()  # refuses half characters
    record = checked_json.convert_to(content, EvidenceRecord)
    if not all(is_valid(record) for is_valid in _CHECKS):
        raise ValueError("a value that no answer has")
    return record


def _are_probabilities_valid(record: EvidenceRecord) -> bool:
    parts = (record.answer, *record.answer.faces)
    numbers = [number for part in parts for number in (part.probability, part.low, part.high)]
    cuts = record.answer.at_prevalence, record.worth.real_below, record.worth.generated_above
    named = [part.generator.nearest.probability for part in parts if part.generator]
    numbers += [number for number in (*cuts, *named) if number is not None]
    return all(number is not None and 0 <= number <= 1 for number in numbers)


def _are_options_valid(record: EvidenceRecord) -> bool:
    options = record.options
    shares = options.false_alarms, options.misses, options.prevalence
    return all(share is None or 0 < share < 1 for share in shares)


def _are_boxes_valid(record: EvidenceRecord) -> bool:
    picture, boxes = record.picture, [face.box for face in record.answer.faces]
    edges = [edge for box in boxes for edge in (box.left, box.top, box.width, box.height)]
    sides = picture.width, picture.height, picture.decoded_width, picture.decoded_height
    return all(0 < side <= MAX_SIDE_PX for side in sides) and all(
        0 <= edge <= MAX_SIDE_PX for edge in edges
    )


def _are_hashes_valid(record: EvidenceRecord) -> bool:
    hashes = (
        record.layout,
        record.picture.sha256,
        record.detector.model_sha256,
        record.detector.card_sha256,
        record.options.calibration_sha256 or "0" * 64,
    )
    return all(re.fullmatch("[0-9a-f]{64}", text) for text in hashes)


def _is_picture_valid(record: EvidenceRecord) -> bool:
    jpeg = record.picture.thumbnail_jpeg
    return (
        len(jpeg) <= MAX_THUMBNAIL_BYTES
        and jpeg.startswith(JPEG_START)
        and record.picture.size_bytes > 0
    )


def _is_date_valid(record: EvidenceRecord) -> bool:
    return datetime.datetime.fromisoformat(record.created).utcoffset() == datetime.timedelta(0)


_CHECKS: tuple[Callable[[EvidenceRecord], bool], ...] = (
    _are_probabilities_valid,
    _are_options_valid,
    _are_boxes_valid,
    _are_hashes_valid,
    _is_picture_valid,
    _is_date_valid,
)
