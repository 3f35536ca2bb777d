"""Judge images and print the results as a table, JSON or CSV."""

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from data_collection.images import decode
from detection import answer_log, image_paths, output
from detection.detections import Detection, KnownAnswer
from detection.models.answering import choose_detector
from detection.predictor import Detector
from detection.settings import DetectionSettings
from runtime import console

EXIT_SOME_FAILED = 1


def detect(settings: DetectionSettings) -> int:
    """Judge images and print the results.

    Returns:
        The exit code: 0 if all images were judged, 1 if some could not be.

    Raises:
        PlainError: there is no detector, it was altered, or there are no images.
    """
    total = sum(1 for _ in image_paths.find_image_paths(settings.paths))
    if not total:
        raise console.PlainError(
            f"There are no images in {' '.join(settings.paths)}. Give image files, folders or "
            "patterns."
        )
    detector = _load_detector(settings)
    printer = output.PRINTERS[settings.format]
    counts: Counter[str] = Counter()
    n_without_single_face = 0
    try:
        with answer_log.open_answer_log(
            settings.keep, detector.card, settings.any_picture
        ) as answers:
            detections = _iterate_detections(settings, detector, answers.known_answers)
            for detection in printer(detections, total, detector.statement):
                answers.add(detection)
                counts[detection.verdict] += 1
                n_without_single_face += detection.faces not in (None, 1)
    except KeyboardInterrupt:
        if settings.keep:
            raise
        raise console.PlainError(
            "Interrupted; no answers were saved. With --keep FILE, the same command resumes.",
            console.EXIT_INTERRUPTED,
        ) from None
    if settings.format == "table":
        output.print_summary(counts, detector.statement)
    if n_without_single_face and not settings.any_picture:
        output.print_any_picture_hint(n_without_single_face)
    if detector.card.banner:
        console.print_warning(detector.card.banner)
    return EXIT_SOME_FAILED if counts[""] else 0


def _load_detector(settings: DetectionSettings) -> Detector:
    answering = choose_detector(settings.saved_models, settings.model)
    detector = Detector.load(
        answering.folder,
        settings.any_picture,
        settings.false_alarms,
        settings.misses,
        settings.prevalence,
        settings.calibration,
    )
    detector.give_reason(answering.reason)
    return detector


def _iterate_detections(
    settings: DetectionSettings,
    detector: Detector,
    known_answers: dict[str, KnownAnswer],
) -> Iterable[Detection]:
    if image_paths.STDIN_PATH in settings.paths:
        data = sys.stdin.buffer.read(decode.MAX_IMAGE_BYTES + 1)
        return detector.detect_batch([detector.decode_image(data, Path(image_paths.STDIN_PATH))])
    paths = image_paths.find_image_paths(settings.paths)
    if not settings.explain:
        return detector.predict_all(paths, known_answers)

    from detection import heat_map_files
    from validation.explanations.explainer import Explainer

    return heat_map_files.detect_with_heat_maps(
        detector, Explainer.load(detector.folder, detector.card), paths
    )
