"""validate(): images -> probabilities -> metrics with intervals -> breakdowns, distortions, explanations -> one page."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from data_collection import audit, console, manifest, options
from training import saved_models
from training.saved_models import Card
from validation import (
    breakdowns,
    comparison,
    controls,
    curves,
    evaluation_set,
    explanations,
    model_card,
    overlap,
    pictures,
    predictions,
    report,
    report_log,
    robustness_summary,
    verdict,
)
from validation.comparison import Verdicts
from validation.evaluation_set import EvaluationSet
from validation.judged import Judged
from validation.metrics import estimates
from validation.predictions import Judge
from validation.report import Report
from validation.settings import ValidationSettings

PRINTED = ("ROC AUC", "balanced accuracy", "TPR", "FPR", "TPR at 5% FPR", "ECE")


def validate(settings: ValidationSettings) -> None:
    """Judges one detector and writes its report; the hold-out is opened once for it.

    Raises:
        PlainError: no detector, no images, or images that were altered or learnt from.
    """
    folder = saved_models.find(settings.saved_models, settings.model)
    card = saved_models.read_card(folder)
    asked = predictions.judges(folder, card)
    rival = find_rival(settings, folder)
    data = evaluation_set.choose(settings, card)
    console.heading(f"{card.name} on {data.name}: {len(data.records)} images")
    if rival:
        asked.append(check_rival(rival, data, asked))

    found = assemble(settings, card, data, judge_all(data, asked), asked, rival is not None)
    place = settings.report or folder / ("report" if data.opened else f"report-{short_name(data)}")
    page = report.write(found, place)
    if data.opened:
        manifest.write_whole(folder / "README.md", model_card.written(found).encode())
    report_log.log(found, settings.logs / "validation" / folder.name / ("hold-out" if data.opened else short_name(data)))
    show(found)
    console.say(f"The whole report: {page}. Curves: tensorboard --logdir {settings.logs}")


def short_name(data: EvaluationSet) -> str:
    """The folder's name, and a few letters that tell it from others of that name."""
    path = data.folder.absolute()
    return f"{path.name}-{hashlib.sha256(str(path).encode()).hexdigest()[:4]}"


def find_rival(settings: ValidationSettings, folder: Path) -> Judge | None:
    """The detector of --against.

    Raises:
        PlainError: there is none, or it is the judged one.
    """
    if not settings.against:
        return None
    other = saved_models.find(settings.saved_models, settings.against)
    if other.resolve() == folder.resolve():
        raise console.PlainError(f"--against {settings.against} is the detector that is judged; name another one.")
    return predictions.judges(other, saved_models.read_card(other))[0]


def check_rival(rival: Judge, data: EvaluationSet, asked: Sequence[Judge]) -> Judge:
    """The detector to compare with, under a name of its own; it must not know the images either.

    Raises:
        PlainError: it has learnt from some of them.
    """
    card = saved_models.read_card(rival.folder)
    overlap.kept_apart(data, card, Path(card.dataset["folder"]))
    return replace(rival, name=str(rival.folder)) if rival.name in {judge.name for judge in asked} else rival


def judge_all(data: EvaluationSet, asked: Sequence[Judge]) -> list[Verdicts]:
    answers = predictions.predict(data.folder, data.records, asked)
    found = []
    for judge, probabilities in zip(asked, answers, strict=True):
        judged = Judged.of(data.records, probabilities, judge.calibration.threshold)
        both = len(set(judged.labels.tolist())) == 2
        delong = comparison.delong_interval(judged) if judged.independent and both else None
        found.append(Verdicts(judge.name, judged, estimates(judged), delong))
    return found


def assemble(
    settings: ValidationSettings,
    card: Card,
    data: EvaluationSet,
    verdicts: list[Verdicts],
    asked: Sequence[Judge],
    rival: bool,
) -> Report:
    """Everything else that the report says.

    Args:
        rival: whether the last detector is the one of --against.
    """
    first, judge, records = verdicts[0], asked[0], data.records
    judged = first.judged
    doubts = breakdowns.doubts(judged, [judge.calibration.verdict(each) for each in judged.probabilities])
    under = robustness_summary.measure(data.folder, records, judged, judge, settings.distorted) if settings.distorted else None
    explained, maps = explanations.explain(settings, card, data, judged, judge)
    wrong = pictures.most_wrong(judged)
    checked = audit.read(data.folder) if data.opened else None
    again = replace(settings, model=judge.folder, against=asked[-1].folder if rival else None)
    return Report(
        card=card,
        data=data,
        verdict=verdict.verdict(data, verdicts, doubts, checked, under),
        verdicts=verdicts,
        breakdowns=breakdowns.breakdowns(records, judged),
        doubts=doubts,
        wrong={label: pictures.show(data.folder, records, judged, index, judge, maps) for label, index in wrong.items()},
        explained=explained,
        sources=controls.two_sources(records, judged),
        limits=verdict.limits(records, first, under),
        command=options.typed("python -m validation", again),
        robustness=under,
        comparison=comparison.compare((first.name, asked[-1].name), judged, verdicts[-1].judged) if rival else None,
        audit=checked,
        pictures=curves.figures(verdicts, judge.calibration),
    )


def show(found: Report) -> None:
    columns = ["metric, 95% interval", *(each.name for each in found.verdicts)]
    title = found.data.name[0].upper() + found.data.name[1:]
    console.table(title, columns, [[name, *(each.estimates[name] for each in found.verdicts)] for name in PRINTED])
    for sentence in found.verdict:
        console.say(sentence)
    for difference in found.comparison.differences[:4] if found.comparison else ():
        console.say(difference.sentence)
    if found.data.refused:
        file, reason = found.data.refused[0]
        console.warn(f"{len(found.data.refused)} files were not judged, {file} for one: {reason}. The report names them all.")
    if found.card.banner:
        console.warn(found.card.banner)
