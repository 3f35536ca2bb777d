"""Validate a detector: images -> probabilities -> metrics with intervals -> breakdowns,
distortions, explanations -> one page."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from data_collection.audit.audit import SizeAudit
from data_collection.audit.audit_file import read_audit
from runtime import atomic_files, console, options
from runtime.terminal.counting import format_count
from training.detectors import card as detector_card
from training.detectors import ready_detectors, saved_models
from training.detectors.card import Card
from training.final_detector.next_steps import find_next_steps
from validation import predictions
from validation.data import choose_images, image_facts, overlap
from validation.data.evaluation_set import EvaluationSet
from validation.explanations import explain, negative_controls
from validation.explanations.image_panels import build_most_wrong_panels
from validation.gaps import gaps
from validation.generators import confusion
from validation.metrics import abstention, breakdowns, comparison
from validation.metrics.baseline_comparison import compare_with_baselines
from validation.metrics.comparison import DetectorComparison, DetectorResult, make_result
from validation.metrics.estimates import estimate_metrics
from validation.metrics.scored_images import ScoredImages
from validation.outside import open_outside
from validation.outside.outside_result import OutsideResult, score_outside_detector
from validation.predictions import Scorer
from validation.regression_set.scoring import rescore_pictures
from validation.regression_set.stored_pictures import RegressionSet
from validation.report import figures, model_card, predictions_csv, tensorboard
from validation.report import page as report_page
from validation.report.limits import list_limits
from validation.report.printed_report import print_report
from validation.report.report import ValidationReport
from validation.report.report_files import MODEL_CARD_FILE, REPORT_FOLDER, make_short_name
from validation.report.summary import summarise_validation
from validation.robustness.summary import RobustnessSummary, measure_robustness
from validation.settings import ValidationSettings
from validation.sharing.results import SharingSummary, measure_sharing


def validate_detector(settings: ValidationSettings) -> Path:
    """Validate a detector and its baselines; return the report's page, beside metrics.json.

    Raises:
        PlainError: there is no detector or no image, or an image was altered or used for training;
            or, once all is written, the outside detector of --against failed.
    """
    folder = saved_models.find_detector(settings.saved_models, settings.model)
    card = detector_card.read_card(folder)
    scorers = predictions.load_scorers(folder, card)
    comparison_scorer = load_comparison_scorer(settings, folder)
    outside = open_outside.open_outside_detector(settings.against, folder, card)
    facts = image_facts.read_facts(settings.facts)
    data = image_facts.add_facts(choose_images.choose_evaluation_set(settings, card), facts)
    console.print_heading(f"{card.name} on {data.name}: {format_count(len(data.records), 'image')}")
    if comparison_scorer:
        scorers.append(check_comparison_scorer(comparison_scorer, data, scorers))

    results = score_all(data, scorers)
    outside_result = None
    if outside:
        data = choose_images.record_outside_opening(data, outside.name)
        outside_result = score_outside_detector(outside, data, results[0])
    if settings.predictions_out:
        predictions_csv.write_predictions(settings, data, results, outside_result)
    report = replace(
        build_report(settings, card, data, results, scorers, outside_result),
        came_back=rescore_pictures(
            RegressionSet(), card, scorers[0], choose_images.find_training_dataset(settings, card)
        ),
    )
    page = write_outputs(report, settings, folder)
    print_report(report)
    console.print_message(f"Report: {page}. Curves: tensorboard --logdir {settings.logs}")
    if outside_result and outside_result.failure:
        raise console.PlainError(outside_result.failure, outside_result.exit_code)
    return page


def write_outputs(report: ValidationReport, settings: ValidationSettings, folder: Path) -> Path:
    """Write the page, the curves for TensorBoard and, for the hold-out, the model card.

    Args:
        folder: the detector's folder.

    Returns:
        The path of the page.
    """
    data = report.data
    folder = ready_detectors.find_writable_folder(folder)
    report_folder = settings.report or folder / (
        REPORT_FOLDER if data.hold_out_openings else f"report-{make_short_name(data.folder)}"
    )
    page = report_page.write_report(report, report_folder)
    if data.hold_out_openings:
        atomic_files.write_atomically(
            folder / MODEL_CARD_FILE, model_card.render_model_card(report).encode()
        )
    tensorboard.log_report(
        report,
        settings.logs
        / "validation"
        / folder.name
        / ("hold-out" if data.hold_out_openings else make_short_name(data.folder)),
    )
    return page


def load_comparison_scorer(settings: ValidationSettings, folder: Path) -> Scorer | None:
    """Load the saved detector of --against; None without one.

    Raises:
        PlainError: it is missing, or is the detector that is validated.
    """
    if not settings.against or open_outside.is_outside(settings.against):
        return None
    other_folder = saved_models.find_detector(settings.saved_models, settings.against)
    if other_folder.resolve() == folder.resolve():
        raise console.PlainError(
            f"--against must name a different detector. {settings.against} is the one being "
            "validated."
        )
    return predictions.load_scorers(other_folder, detector_card.read_card(other_folder))[0]


def check_comparison_scorer(
    comparison_scorer: Scorer, data: EvaluationSet, scorers: Sequence[Scorer]
) -> Scorer:
    """Return the detector of --against, renamed if its name is taken already.

    Raises:
        PlainError: it was trained on some of the images.
    """
    card = detector_card.read_card(comparison_scorer.folder)
    overlap.separate_from_training(data, card, Path(card.dataset.folder))
    return (
        replace(comparison_scorer, name=str(comparison_scorer.folder))
        if comparison_scorer.name in {scorer.name for scorer in scorers}
        else comparison_scorer
    )


def score_all(data: EvaluationSet, scorers: Sequence[Scorer]) -> list[DetectorResult]:
    """Score the images with every detector and estimate the metrics."""
    outputs = predictions.score_images(data.folder, data.records, scorers)
    results = []
    for scorer, probabilities in zip(scorers, outputs, strict=True):
        calibration = scorer.calibration
        scored = ScoredImages.from_records(
            data.records, probabilities, calibration.threshold, calibration.point
        )
        results.append(make_result(scorer.name, scored, estimate_metrics(scored)))
    return results


def build_report(
    settings: ValidationSettings,
    card: Card,
    data: EvaluationSet,
    results: list[DetectorResult],
    scorers: Sequence[Scorer],
    outside: OutsideResult | None = None,
) -> ValidationReport:
    """Compute the rest of the report.

    Args:
        results: of Telltale's detectors; the last is that of --against, if that names one.
        outside: of the outside detector of --against, if that names one.
    """
    all_results = [*results, outside.result] if outside and outside.result else results
    scored, scorer, records = results[0].scored, scorers[0], data.records
    abstentions = abstention.compute_abstention_statistics(scored)
    robustness, sharing = _measure_robustness(settings.distorted, data, scored, scorer)
    explanations, of_images = explain.explain_detector(settings, card, data, scored, scorer)
    audit = _find_audit(data, card)
    comparisons = compare_with_baselines(results)
    return ValidationReport(
        card=card,
        data=data if settings.pictures else data.without_file_names(),
        summary=summarise_validation(data, results[0], comparisons, abstentions, audit, robustness),
        comparisons=comparisons,
        results=all_results,
        breakdowns=breakdowns.compute_breakdowns(records, scored),
        gaps=gaps.compute_gaps(records, scored),
        generators=confusion.count_named_images(card, data, scored, scorer),
        abstentions=abstentions,
        most_wrong=build_most_wrong_panels(data, scored, scorer, of_images, settings.pictures),
        explanations=explanations,
        source_pairs=negative_controls.evaluate_source_pairs(records, scored),
        limits=list_limits(records, results[0], robustness, sharing),
        command=_format_command(settings, scorers),
        robustness=robustness,
        sharing=sharing,
        comparison=_compare_with_last(settings, results, outside),
        outside=outside,
        audit=audit,
        next_steps=find_next_steps(card, ready_detectors.is_ready_detector(scorer.folder)),
        figures=figures.plot_report_figures(all_results, scorer.calibration),
    )


def _measure_robustness(
    n_images: int, data: EvaluationSet, scored: ScoredImages, scorer: Scorer
) -> tuple[RobustnessSummary | None, SharingSummary | None]:
    if not n_images:
        return None, None
    inputs = (data.folder, data.records, scored, scorer, n_images)
    return measure_robustness(*inputs), measure_sharing(*inputs)


def _find_audit(data: EvaluationSet, card: Card) -> SizeAudit | None:
    """Return the audit of the hold-out's data set at the detector's size."""
    audit = read_audit(data.folder) if data.hold_out_openings else None
    return audit and audit.find_size(card.image_size)


def _format_command(settings: ValidationSettings, scorers: Sequence[Scorer]) -> str:
    is_saved = settings.against and not open_outside.is_outside(settings.against)
    resolved = replace(
        settings,
        model=scorers[0].folder,
        against=scorers[-1].folder if is_saved else settings.against,
    )
    return options.format_command_line("python -m validation", resolved)


def _compare_with_last(
    settings: ValidationSettings, results: Sequence[DetectorResult], outside: OutsideResult | None
) -> DetectorComparison | None:
    if outside or not settings.against:
        return outside and outside.comparison
    first, last = results[0], results[-1]
    return comparison.compare_detectors((first.name, last.name), first.scored, last.scored)
