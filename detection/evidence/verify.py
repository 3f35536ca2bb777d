"""Check a page of evidence: against its own record, and by judging the picture again."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from data_collection.source_types import UnavailableImage
from detection.evidence.build import describe_detector, judge_and_record
from detection.evidence.checks import (
    Check,
    check_answer,
    check_detector,
    check_page,
    check_picture,
)
from detection.evidence.conclusion import conclude, find_exit_code
from detection.evidence.read import read_page
from detection.evidence.record import EvidenceRecord
from detection.image_paths import LocatedImage
from detection.predictor import Detector
from detection.settings import DetectionSettings
from runtime import console, hashing
from training.detectors import ready_detectors, saved_models
from training.detectors.card import read_card

DECIDED_BY_CUTS = ("verdict", "faces", "cuts", "worth", "calibration", "all values")
"""Checks that need the cuts of the page."""


def verify_evidence(settings: DetectionSettings) -> int:
    """Check a page against a picture and print what it said and what was found.

    Returns:
        The exit code: 0 if everything holds, 1 if something does not or could not be checked, 8 if
        the detector is not here.

    Raises:
        PlainError: the page or the picture cannot be read, or the detector was altered.
    """
    page, path = read_page(settings.verify), Path(settings.paths[0])
    data = _read_picture(path)
    said = page.record
    checks = [*check_page(page), check_picture(said, hashing.hash_bytes(data))]
    folder = _find_detector(settings, said)
    if folder is None:
        checks += check_detector(said.detector, None)
    else:
        checks += _repeat(folder, said, data, path)
    sentence, exit_code = conclude(checks, said), find_exit_code(checks)
    if settings.json:
        rows = [asdict(check) for check in checks]
        print(json.dumps({"holds": exit_code == 0, "conclusion": sentence, "checks": rows}))
    else:
        rows = [[check.name, check.said, check.found, check.state] for check in checks]
        console.print_table("", ["what", "the page says", "found", ""], rows)
        console.print_message(sentence)
    return exit_code


def _read_picture(path: Path) -> bytes:
    try:
        return LocatedImage(path).read()
    except UnavailableImage as error:
        raise console.PlainError(f"{path} cannot be read: {error}.") from None
    except OSError as error:
        raise console.PlainError(f"{path} cannot be read: {error.strerror}.") from None


def _find_detector(settings: DetectionSettings, said: EvidenceRecord) -> Path | None:
    """Return the folder of the named detector, else of one with the model and card of the page, or
    with its model; None if there is none."""
    if settings.model:
        return saved_models.find_detector(settings.saved_models, settings.model)
    own = saved_models.read_cards(settings.saved_models)
    folders = [*ready_detectors.find_ready_detectors(), *map(settings.saved_models.joinpath, own)]
    model_sha256 = said.detector.model_sha256
    same_model = [
        folder
        for folder in folders
        if read_card(folder).sha256.get(saved_models.ONNX_FILE) == model_sha256
    ]
    return max(same_model, key=lambda folder: folder.name == said.detector.name, default=None)


def _repeat(folder: Path, said: EvidenceRecord, data: bytes, path: Path) -> list[Check]:
    """Judge the picture as the page says, and compare."""
    detector, missing = _load_detector(folder, said)
    checks = [*check_detector(said.detector, describe_detector(detector)), *missing]
    _, detection, found = judge_and_record(detector, data, path)
    if found is None:
        return [*checks, Check("verdict", said.answer.verdict, detection.error, "differs")]
    return [
        replace(check, found="needs its cuts", state="not checked")
        if missing and check.name in DECIDED_BY_CUTS
        else check
        for check in itertools.chain(checks, check_answer(said, found))
    ]


def _load_detector(folder: Path, said: EvidenceRecord) -> tuple[Detector, Sequence[Check]]:
    """Return the detector with the options of the page, and a failed check if it has no such
    cuts."""
    options = said.options
    try:
        detector = Detector.load(
            folder,
            options.any_picture,
            options.false_alarms,
            options.misses,
            options.prevalence,
            options.calibration,
        )
        return detector, ()
    except console.PlainError as error:
        detector = Detector.load(folder, options.any_picture, prevalence=options.prevalence)
        wanted = f"calibration {options.calibration}" if options.calibration else "cuts it was told"
        return detector, [Check("options", wanted, str(error), "not checked")]
