"""Judge images and print the results as a table, JSON or CSV."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from data_collection.images import decode
from detection import answer_log, image_paths
from detection.detections import Detection, KnownAnswer
from detection.models.answering import choose_detector
from detection.output import summary
from detection.output.printers import PRINTERS
from detection.output.progress import MAX_TABLE_ROWS
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
    is_output = _make_output_check(settings.keep)
    listing = _list_files(settings.paths, is_output)
    detector = _load_detector(settings)
    printer = PRINTERS[settings.format]
    totals = summary.Totals()
    try:
        with answer_log.open_answer_log(
            settings.keep, detector.card, settings.any_picture
        ) as answers:
            detections = _iterate_detections(settings, detector, answers.known_answers, is_output)
            for detection in printer(detections, listing, detector.statement):
                answers.add(detection)
                totals.add(detection)
    except KeyboardInterrupt:
        if settings.keep:
            raise
        raise console.PlainError(
            "Interrupted; no answers were saved. With --keep FILE, the same command resumes.",
            console.EXIT_INTERRUPTED,
        ) from None
    if settings.format != "table" or totals.not_judged.total > MAX_TABLE_ROWS:
        totals.not_judged.print_list()
    summary.print_counts(totals.verdicts)
    if settings.format == "table":
        summary.print_statement(totals.verdicts, detector.statement)
        summary.print_statements_on_faces(totals.statements_on_faces, detector.statement)
    if totals.without_face and not settings.any_picture:
        summary.print_any_picture_hint(totals.without_face)
    if detector.card.banner:
        console.print_warning(detector.card.banner)
    return EXIT_SOME_FAILED if totals.verdicts[""] else 0


def _list_files(
    paths: Sequence[str], is_output: Callable[[Path], bool]
) -> image_paths.ImageListing:
    listing = image_paths.list_images(image_paths.find_images(paths, is_output))
    if not listing.total:
        raise console.PlainError(
            f"There are no images in {' '.join(paths)}. Give image files, folders or patterns."
        )
    return listing


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


def _make_output_check(keep: Path | None) -> Callable[[Path], bool]:
    """Return a function that tells whether this command writes a file: that of --keep and its
    lock, or the one that standard output or error goes to."""
    names = {os.path.realpath(f"{keep}{suffix}") for suffix in ("", ".lock") if keep}
    states = []
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            states.append(os.fstat(stream.fileno()))

    def is_output(path: Path) -> bool:
        with contextlib.suppress(OSError):
            if any(os.path.samestat(os.lstat(path), state) for state in states):
                return True
        return bool(names) and os.path.realpath(path) in names

    return is_output


def _iterate_detections(
    settings: DetectionSettings,
    detector: Detector,
    known_answers: dict[str, KnownAnswer],
    is_output: Callable[[Path], bool],
) -> Iterable[Detection]:
    if image_paths.STDIN_PATH in settings.paths:
        data = sys.stdin.buffer.read(decode.MAX_IMAGE_BYTES + 1)
        return detector.detect_batch([detector.decode_image(data, Path(image_paths.STDIN_PATH))])
    images = image_paths.find_images(settings.paths, is_output)
    if not settings.explain:
        return detector.predict_located(images, known_answers)

    from detection import heat_map_files
    from validation.explanations.explainer import Explainer

    return heat_map_files.detect_with_heat_maps(
        detector, Explainer.load(detector.folder, detector.card), images
    )
