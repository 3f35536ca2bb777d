"""detect(): paths -> detections -> a table, JSON or CSV."""

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from data_collection import console, face_images
from detection import answers, found_images, kept_answers
from detection.predictor import Detection, Detector
from detection.settings import DetectionSettings
from training import saved_models

SOME_FAILED = 1


def detect(settings: DetectionSettings) -> int:
    """Judges pictures and prints the answers.

    Returns:
        0 if all were judged, 1 if some could not be.

    Raises:
        PlainError: no detector, or an altered one; or nothing to look at.
    """
    total = sum(1 for _ in found_images.find(settings.paths))
    if not total:
        raise console.PlainError(f"{' '.join(settings.paths)} holds no images.")
    detector = Detector.load(saved_models.find(settings.saved_models, settings.model), settings.one_face)
    printer = answers.PRINTERS[settings.format]
    counts: Counter[str] = Counter()
    try:
        with kept_answers.opened(settings.keep, detector.card, settings.one_face) as kept:
            for detection in printer(_judged(settings, detector, kept.known), total):
                kept.add(detection)
                counts[detection.verdict] += 1
    except KeyboardInterrupt:
        if settings.keep:
            raise
        raise console.PlainError(
            "Interrupted, and nothing is kept; with --keep FILE the same command would carry on.", console.INTERRUPTED
        ) from None
    if settings.format == "table":
        answers.print_summary(counts, detector.card)
    return SOME_FAILED if counts[""] else 0


def _judged(settings: DetectionSettings, detector: Detector, known: dict[str, float]) -> Iterable[Detection]:
    if found_images.STDIN in settings.paths:
        return detector.judged([detector.decode(sys.stdin.buffer.read(face_images.MAX_BYTES + 1), Path(found_images.STDIN))])
    paths = found_images.find(settings.paths)
    if not settings.explain:
        return detector.predict_all(paths, known)

    from detection import heat_map_files
    from validation.explainer import Explainer

    return heat_map_files.explained(detector, Explainer.load(detector.folder, detector.card), paths)
