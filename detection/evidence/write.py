"""Write the page of evidence of one picture, and the same as a PNG if it is asked for."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from data_collection.source_types import UnavailableImage
from detection.detections import Detection
from detection.evidence.build import judge_and_record
from detection.evidence.drawing import PNG_MARK, render_png
from detection.evidence.page import RECORD_START, render_page
from detection.evidence.record import EvidenceRecord
from detection.image_paths import LocatedImage
from detection.predictor import Detector
from runtime import atomic_files, console

PNG_SUFFIX, PAGE_SUFFIX = ".png", ".html"


def detect_with_evidence(
    detector: Detector, evidence: Path, images: Iterable[LocatedImage]
) -> Iterator[Detection]:
    """Judge the only file and write its page; none if it cannot be judged.

    Args:
        evidence: path of the page; of its PNG, beside which the page then lies.

    Raises:
        PlainError: another file would be overwritten.
    """
    page, png = evidence, evidence.with_suffix(PNG_SUFFIX)
    wants_png = evidence.suffix.lower() == PNG_SUFFIX
    if wants_png:
        page, png = evidence.with_suffix(PAGE_SUFFIX), evidence
        _check_overwriting(png, PNG_MARK)
    _check_overwriting(page, RECORD_START.encode())
    for located in images:
        detection, record = _judge(detector, located)
        if record:
            atomic_files.write_atomically(page, render_page(record))
            console.print_message(f"Evidence: {page}")
            if wants_png:
                atomic_files.write_atomically(png, render_png(record))
                console.print_message(f"As a picture, which cannot be checked: {png}")
        else:
            console.print_message(f"No evidence was written: {located.path} was not judged.")
        yield detection


def _judge(detector: Detector, located: LocatedImage) -> tuple[Detection, EvidenceRecord | None]:
    try:
        data = located.read()
    except (UnavailableImage, OSError):
        return detector.read_image(located).detection, None  # which says why
    _, detection, record = judge_and_record(detector, data, located.path)
    return detection, record


def _check_overwriting(path: Path, mark: bytes) -> None:
    if path.exists() and mark not in path.read_bytes():
        raise console.PlainError(
            f"{path} exists and is not evidence. Give another path with --evidence."
        )
