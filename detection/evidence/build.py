"""Judge a picture and record the answer with everything that a page of evidence says."""

import base64
import datetime
import platform
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from data_collection.images.decode import DecodedFace
from data_collection.images.decoding_pool import COMMAND_POOL
from detection import own_calibration
from detection.detections import Detection, PreparedImage
from detection.evidence.page import compute_layout_hash
from detection.evidence.record import (
    AnswerRecord,
    DetectorRecord,
    EvidenceOptions,
    EvidenceRecord,
    PictureRecord,
)
from detection.evidence.thumbnail import render_thumbnail
from detection.predictor import Detector
from runtime import console, hashing
from runtime.library_versions import get_library_versions, read_version
from training.detectors.card import CARD_FILE
from training.detectors.saved_models import ONNX_FILE
from validation.report import report_files

MAX_NAME_CHARS = 200

SHOWN_LIBRARIES = {"onnxruntime": "ONNX Runtime", "pillow": "Pillow", "numpy": "NumPy"}


@dataclass
class PictureReader:
    """Decodes a picture for a detector, and keeps what the page shows of the whole of it.

    Attributes:
        decode_whole: decodes within a limit of time.
    """

    decode_whole: Callable[[bytes], DecodedFace] = COMMAND_POOL.decode_whole
    format: str = ""
    size: tuple[int, int] = (0, 0)
    decoded_size: tuple[int, int] = (0, 0)
    thumbnail: bytes = field(default=b"", repr=False)

    def decode(self, data: bytes) -> DecodedFace:
        """Decode a picture; its thumbnail and the size of the upright picture are kept."""
        whole = self.decode_whole(data)
        scale = max(whole.width, whole.height) / max(whole.square.size)
        width, height = (round(scale * side) for side in whole.square.size)
        self.format, self.size = whole.format, (width, height)
        self.decoded_size = whole.square.size
        self.thumbnail = render_thumbnail(whole.square)
        return whole


def judge_and_record(
    detector: Detector,
    data: bytes,
    path: Path,
    any_picture: bool = False,
    reader: PictureReader | None = None,
) -> tuple[PreparedImage, Detection, EvidenceRecord | None]:
    """Judge a picture.

    Returns:
        The image on its way, the answer, and its record; None if it could not be judged.
    """
    reader = reader or PictureReader()
    image = detector.decode_image(data, path, any_picture=any_picture, decode_whole=reader.decode)
    detection = detector.detect_batch([image])[0]
    if detection.error:
        return image, detection, None
    any_picture = any_picture or detector.any_picture
    picture = _describe_picture(data, detection, reader)
    return image, detection, _build_record(detector, detection, picture, any_picture)


def _describe_picture(data: bytes, detection: Detection, reader: PictureReader) -> PictureRecord:
    return PictureRecord(
        name=console.sanitise_line(detection.path.name)[-MAX_NAME_CHARS:],
        size_bytes=len(data),
        sha256=detection.sha256,
        format=reader.format,
        width=reader.size[0],
        height=reader.size[1],
        decoded_width=reader.decoded_size[0],
        decoded_height=reader.decoded_size[1],
        thumbnail=base64.b64encode(reader.thumbnail).decode(),
    )


def _build_record(
    detector: Detector, detection: Detection, picture: PictureRecord, any_picture: bool
) -> EvidenceRecord:
    statement = detection.statement or detector.statement
    return EvidenceRecord(
        layout=compute_layout_hash(),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        picture=picture,
        detector=describe_detector(detector),
        options=_describe_options(detector, any_picture),
        answer=AnswerRecord(
            verdict=detection.verdict,
            probability=detection.probability,
            low=detection.low,
            high=detection.high,
            at_prevalence=detection.at_prevalence,
            faces=detection.faces or (),
            passed_over=detection.passed_over,
            generator=detection.generator,
            warnings=detection.warnings,
        ),
        worth=replace(statement, detector_reason=""),
        claims=detection.claims,
        limits=tuple(report_files.load_limits(detector.folder)),
        versions=list_versions(),
    )


def describe_detector(detector: Detector) -> DetectorRecord:
    """Return the name and the hashes of a detector."""
    card = detector.card
    return DetectorRecord(
        name=card.name,
        created=card.created,
        model_sha256=card.sha256[ONNX_FILE],
        card_sha256=hashing.hash_file(detector.folder / CARD_FILE),
    )


def _describe_options(detector: Detector, any_picture: bool) -> EvidenceOptions:
    rule = detector.rule
    targets = rule.point.false_alarm_cut.target, rule.point.miss_cut.target
    own = rule.calibration.false_alarms, rule.calibration.misses
    false_alarms, misses = (
        None if target == default else target for target, default in zip(targets, own, strict=True)
    )
    name = rule.point.own_calibration
    return EvidenceOptions(
        false_alarms=false_alarms,
        misses=misses,
        prevalence=rule.prevalence,
        any_picture=any_picture,
        calibration=name,
        calibration_sha256=name
        and hashing.hash_file(own_calibration.locate_calibration(detector.folder, name)),
    )


def list_versions() -> dict[str, str]:
    """Return the versions of the programs that make an answer."""
    libraries = get_library_versions()
    return {
        "Telltale": read_version(),
        **{shown: libraries[name] for name, shown in SHOWN_LIBRARIES.items() if name in libraries},
        "Python": platform.python_version(),
    }
