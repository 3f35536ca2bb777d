"""Judge images and print the results as a table, JSON or CSV."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from data_collection.images import decode
from detection import answer_log, image_paths
from detection.detections import Detection
from detection.html_report import report as report_page
from detection.html_report.report import HtmlReport
from detection.html_report.unfinished_run import name_unfinished_folder
from detection.models.answering import choose_detector
from detection.output import summary
from detection.output.printers import PRINTERS
from detection.output.progress import MAX_TABLE_ROWS
from detection.predictor import Detector
from detection.settings import DetectionSettings
from runtime import console

EXIT_SOME_FAILED = 1

MIN_IMAGES_OF_LONG_RUN = 500
"""From so many on, which take half a minute or more, a run that saves nothing says how to."""


def detect(settings: DetectionSettings) -> int:
    """Judge images and print the results.

    Returns:
        The exit code: 0 if all images were judged, 1 if some could not be.

    Raises:
        PlainError: there is no detector, it was altered, or there are no images.
    """
    is_output = _make_output_check(settings)
    listing = _list_files(settings, is_output)
    detector = _load_detector(settings)
    printer = PRINTERS[settings.format]
    totals = summary.Totals()
    try:
        with contextlib.ExitStack() as stack:
            report = stack.enter_context(report_page.open_report(settings.html, detector, listing))
            path = settings.keep or (report and report.answers_path)
            answers = stack.enter_context(
                answer_log.open_answer_log(path, detector.card, settings.any_picture)
            )
            if report and answers.known_answers:
                _tell_resumed(len(answers.known_answers))
            detections = _iterate_detections(settings, detector, answers, report, is_output)
            for detection in printer(detections, listing, detector.statement):
                answers.add(detection)
                totals.add(detection)
                if report:
                    report.add(detection)
            if report:
                report.write(totals)
    except KeyboardInterrupt:
        raise _explain_interruption(settings) from None
    _print_summary(settings, detector, totals)
    return EXIT_SOME_FAILED if totals.verdicts[""] else 0


def _list_files(
    settings: DetectionSettings, is_output: Callable[[Path], bool]
) -> image_paths.ImageListing:
    listing = image_paths.list_images(image_paths.find_images(settings.paths, is_output))
    if not listing.total:
        paths = " ".join(settings.paths)
        raise console.PlainError(
            f"There are no images in {paths}. Give image files, folders or patterns."
        )
    if listing.total >= MIN_IMAGES_OF_LONG_RUN and not (settings.keep or settings.html):
        console.print_message(
            f"{listing.total:,} images; with --keep FILE or --html FILE, the same command would "
            "resume after an interruption."
        )
    return listing


def _tell_resumed(count: int) -> None:
    images = "1 image was" if count == 1 else f"{count:,} images were"
    console.print_message(f"Resuming: {images} judged by a run that was interrupted.")


def _explain_interruption(settings: DetectionSettings) -> Exception:
    if settings.html:
        folder = name_unfinished_folder(settings.html)
        sentence = (
            f"Interrupted. The same command resumes with the answers and thumbnails in {folder}; "
            "delete that folder to drop them."
        )
    elif settings.keep:
        return KeyboardInterrupt()
    else:
        sentence = "Interrupted; no answers were saved. With --keep FILE, the same command resumes."
    return console.PlainError(sentence, console.EXIT_INTERRUPTED)


def _print_summary(settings: DetectionSettings, detector: Detector, totals: summary.Totals) -> None:
    if settings.format != "table" or totals.not_judged.total > MAX_TABLE_ROWS:
        totals.not_judged.print_list()
    summary.print_counts(totals.verdicts)
    if settings.format == "table":
        summary.print_statement(totals, detector.statement)
    if totals.without_face and not settings.any_picture:
        console.print_message(summary.describe_any_picture_hint(totals.without_face))
    if settings.html:
        console.print_message(f"{settings.html} has all of them, the most suspicious first.")
    if detector.card.banner:
        console.print_warning(detector.card.banner)


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


def _make_output_check(settings: DetectionSettings) -> Callable[[Path], bool]:
    """Return a function that tells whether this command writes a file: that of --keep and its
    lock, that of --html and those of its unfinished run, or the one that standard output or error
    goes to."""
    keep, html = settings.keep, settings.html
    names = {os.path.realpath(f"{keep}{suffix}") for suffix in ("", ".lock") if keep}
    names |= {
        os.path.realpath(path) for path in (html and (html, name_unfinished_folder(html))) or ()
    }
    states = []
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            states.append(os.fstat(stream.fileno()))

    def is_output(path: Path) -> bool:
        with contextlib.suppress(OSError):
            if any(os.path.samestat(os.lstat(path), state) for state in states):
                return True
        return bool(names) and not names.isdisjoint(
            (os.path.realpath(path), os.path.realpath(path.parent))
        )

    return is_output


def _iterate_detections(
    settings: DetectionSettings,
    detector: Detector,
    answers: answer_log.AnswerLog,
    report: HtmlReport | None,
    is_output: Callable[[Path], bool],
) -> Iterable[Detection]:
    if image_paths.STDIN_PATH in settings.paths:
        data = sys.stdin.buffer.read(decode.MAX_IMAGE_BYTES + 1)
        return detector.detect_batch([detector.decode_image(data, Path(image_paths.STDIN_PATH))])
    images = image_paths.find_images(settings.paths, is_output)
    if settings.evidence:
        from detection.evidence.write import detect_with_evidence

        return detect_with_evidence(detector, settings.evidence, images)
    if not settings.explain:
        read_image = report.read_image if report else None
        return detector.predict_located(images, answers.known_answers, read_image)

    from detection import heat_map_files
    from validation.explanations.explainer import Explainer

    return heat_map_files.detect_with_heat_maps(
        detector, Explainer.load(detector.folder, detector.card), images
    )
