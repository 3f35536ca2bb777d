"""validate(): images -> probabilities -> metrics with intervals -> breakdowns, distortions,
explanations -> one page."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from data_collection.audit.audit_file import read_audit
from runtime import atomic_files, console, options
from training.detectors import card as detector_card
from training.detectors import saved_models
from training.detectors.card import Card
from validation import predictions
from validation.data import choose, overlap
from validation.data.evaluation_set import EvaluationSet
from validation.explanations import explain, image_panels, negative_controls
from validation.metrics import abstention, breakdowns, comparison
from validation.metrics.comparison import DetectorResult
from validation.metrics.estimates import estimate_metrics
from validation.metrics.scored_images import ScoredImages
from validation.predictions import Scorer
from validation.report import figures, model_card, tensorboard
from validation.report import page as report_page
from validation.report import summary as verdict
from validation.report.report import ValidationReport
from validation.robustness import summary
from validation.settings import ValidationSettings

PRINTED_METRICS = ("ROC AUC", "balanced accuracy", "TPR", "FPR", "TPR at 5% FPR", "ECE")


def validate_detector(settings: ValidationSettings) -> None:
    """Judges one detector and writes its report; the hold-out is opened once for it.

    Raises:
        PlainError: no detector, no images, or images that were altered or learnt from.
    """
    folder = saved_models.find_detector(settings.saved_models, settings.model)
    card = detector_card.read_card(folder)
    asked = predictions.load_scorers(folder, card)
    rival = load_comparison_scorer(settings, folder)
    data = choose.choose_evaluation_set(settings, card)
    console.print_heading(f"{card.name} on {data.name}: {len(data.records)} images")
    if rival:
        asked.append(check_comparison_scorer(rival, data, asked))

    found = build_report(settings, card, data, score_all(data, asked), asked, rival is not None)
    place = settings.report or folder / (
        "report" if data.opened else f"report-{make_short_name(data)}"
    )
    page = report_page.write_report(found, place)
    if data.opened:
        atomic_files.write_atomically(
            folder / "README.md", model_card.render_model_card(found).encode()
        )
    tensorboard.log_report(
        found,
        settings.logs
        / "validation"
        / folder.name
        / ("hold-out" if data.opened else make_short_name(data)),
    )
    print_report(found)
    console.print_message(f"The whole report: {page}. Curves: tensorboard --logdir {settings.logs}")


def make_short_name(data: EvaluationSet) -> str:
    """The folder's name, and a few letters that tell it from others of that name."""
    path = data.folder.absolute()
    return f"{path.name}-{hashlib.sha256(str(path).encode()).hexdigest()[:4]}"


def load_comparison_scorer(settings: ValidationSettings, folder: Path) -> Scorer | None:
    """The detector of --against.

    Raises:
        PlainError: there is none, or it is the judged one.
    """
    if not settings.against:
        return None
    other = saved_models.find_detector(settings.saved_models, settings.against)
    if other.resolve() == folder.resolve():
        raise console.PlainError(
            f"--against {settings.against} is the detector that is judged; name another one."
        )
    return predictions.load_scorers(other, detector_card.read_card(other))[0]


def check_comparison_scorer(rival: Scorer, data: EvaluationSet, asked: Sequence[Scorer]) -> Scorer:
    """The detector to compare with, under a name of its own; it must not know the images either.

    Raises:
        PlainError: it has learnt from some of them.
    """
    card = detector_card.read_card(rival.folder)
    overlap.separate_from_training(data, card, Path(card.dataset.folder))
    return (
        replace(rival, name=str(rival.folder))
        if rival.name in {judge.name for judge in asked}
        else rival
    )


def score_all(data: EvaluationSet, asked: Sequence[Scorer]) -> list[DetectorResult]:
    answers = predictions.score_images(data.folder, data.records, asked)
    found = []
    for judge, probabilities in zip(asked, answers, strict=True):
        judged = ScoredImages.of(data.records, probabilities, judge.calibration.threshold)
        both = len(set(judged.labels.tolist())) == 2
        delong = comparison.compute_delong_interval(judged) if judged.independent and both else None
        found.append(DetectorResult(judge.name, judged, estimate_metrics(judged), delong))
    return found


def build_report(
    settings: ValidationSettings,
    card: Card,
    data: EvaluationSet,
    verdicts: list[DetectorResult],
    asked: Sequence[Scorer],
    rival: bool,
) -> ValidationReport:
    """Everything else that the report says.

    Args:
        rival: whether the last detector is the one of --against.
    """
    first, judge, records = verdicts[0], asked[0], data.records
    judged = first.judged
    doubts = abstention.compute_abstention_statistics(
        judged, [judge.calibration.decide(each) for each in judged.probabilities]
    )
    under = (
        summary.measure_robustness(data.folder, records, judged, judge, settings.distorted)
        if settings.distorted
        else None
    )
    explained, maps = explain.explain_detector(settings, card, data, judged, judge)
    wrong = image_panels.find_most_wrong(judged)
    checked = read_audit(data.folder) if data.opened else None
    again = replace(settings, model=judge.folder, against=asked[-1].folder if rival else None)
    return ValidationReport(
        card=card,
        data=data,
        verdict=verdict.summarise_validation(data, verdicts, doubts, checked, under),
        verdicts=verdicts,
        breakdowns=breakdowns.compute_breakdowns(records, judged),
        doubts=doubts,
        wrong={
            label: image_panels.build_image_panels(data.folder, records, judged, index, judge, maps)
            for label, index in wrong.items()
        },
        explained=explained,
        sources=negative_controls.evaluate_source_pairs(records, judged),
        limits=verdict.list_limits(records, first, under),
        command=options.format_command_line("python -m validation", again),
        robustness=under,
        comparison=comparison.compare_detectors(
            (first.name, asked[-1].name), judged, verdicts[-1].judged
        )
        if rival
        else None,
        audit=checked,
        pictures=figures.plot_report_figures(verdicts, judge.calibration),
    )


def print_report(found: ValidationReport) -> None:
    columns = ["metric, 95% interval", *(each.name for each in found.verdicts)]
    title = found.data.name[0].upper() + found.data.name[1:]
    console.print_table(
        title,
        columns,
        [[name, *(each.estimates[name] for each in found.verdicts)] for name in PRINTED_METRICS],
    )
    for sentence in found.verdict:
        console.print_message(sentence)
    for difference in found.comparison.differences[:4] if found.comparison else ():
        console.print_message(difference.sentence)
    if found.data.refused:
        file, reason = found.data.refused[0]
        console.print_warning(
            f"{len(found.data.refused)} files were not judged, {file} for one: {reason}. The report names them all."
        )
    if found.card.banner:
        console.print_warning(found.card.banner)
