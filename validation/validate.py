"""validate(): hold-out -> probabilities -> metrics with intervals -> printed, beside the model, and in TensorBoard."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from data_collection import console, manifest, splits
from data_collection.manifest import FaceRecord
from training import run_logs, saved_models
from training.calibration import Calibration
from training.dataset import find
from training.saved_models import Card
from validation import predictions, report
from validation.metrics import METRICS, Judged, estimates
from validation.report import Report, SourceRow, Verdicts
from validation.settings import ValidationSettings


def validate(settings: ValidationSettings) -> None:
    """Opens the hold-out once for one detector and writes its report.

    Raises:
        PlainError: no detector, no data set, or a data set that is not the one of the training.
    """
    folder = saved_models.find(settings.saved_models, settings.model)
    card = saved_models.read_card(folder)
    trained_on = Path(card.dataset["folder"])
    dataset = find(trained_on.parent, settings.dataset or trained_on)
    hold_out = read_hold_out(dataset, card)
    rivals = {name: rival for name, rival in card.baselines.items() if "file" in rival}
    runs = [saved_models.open_onnx(folder, card)]
    runs += [saved_models.open_onnx(folder, card, rival["file"]) for rival in rivals.values()]
    opened = splits.record_opening(dataset, card.name)
    console.heading(f"{card.name} on {len(hold_out)} hold-out images of {dataset} (opening {opened})")

    probabilities = predictions.predict(dataset, hold_out, runs, card.image_size)
    calibrations = [card.calibration, *(Calibration(**rival["calibration"]) for rival in rivals.values())]
    names = [card.name, *rivals]
    verdicts = [judge(*each, hold_out) for each in zip(names, probabilities, calibrations, strict=True)]

    found = Report(card, str(dataset), opened, verdicts, by_source(hold_out, verdicts[0].judged))
    report.write(found, folder / "report")
    log(found, settings.logs)
    columns = ["metric, 95% interval", *(each.name for each in verdicts)]
    console.table("Hold-out", columns, [[name, *(each.estimates[name] for each in verdicts)] for name in METRICS])
    if card.banner:
        console.warn(card.banner)
    console.say(f"Report: {folder / 'report' / 'report.md'}. Curves: tensorboard --logdir {settings.logs}")


def read_hold_out(dataset: Path, card: Card) -> list[FaceRecord]:
    records = manifest.read(dataset)
    splits.check(records, splits.read(dataset))
    if splits.hold_out_sha256(records) != card.dataset["hold_out_sha256"]:
        raise console.PlainError(
            f"The hold-out of {dataset} is not the one that {card.name} was kept away from; train again, then validate.",
            console.LEAK,
        )
    hold_out = manifest.accepted(records, "hold-out")
    if {record.label for record in hold_out} != set(manifest.LABELS):
        raise console.PlainError(f"The hold-out of {dataset} lacks a class; collect more sources, then train again.")
    return hold_out


def judge(name: str, probabilities: np.ndarray, calibration: Calibration, records: Sequence[FaceRecord]) -> Verdicts:
    labels = np.array([record.label == "generated" for record in records], dtype=np.int64)
    _, groups = np.unique([record.group for record in records], return_inverse=True)
    judged = Judged(probabilities, labels, groups, calibration.threshold)
    return Verdicts(name, judged, estimates(judged))


def by_source(records: Sequence[FaceRecord], judged: Judged) -> list[SourceRow]:
    right = (judged.probabilities >= judged.threshold) == (judged.labels == 1)
    rows = []
    for label, source in sorted({(record.label, record.source) for record in records}, reverse=True):
        mine = np.array([(record.label, record.source) == (label, source) for record in records])
        rows.append(SourceRow(source, label, int(mine.sum()), len(np.unique(judged.groups[mine])), int(right[mine].sum())))
    return rows


def log(found: Report, logs: Path) -> None:
    with run_logs.opened(logs / "validation" / found.card.name) as run:
        for each in found.verdicts:
            place = "hold-out" if each.name == found.card.name else f"hold-out of {each.name}"
            run.pr_curve(f"{place}/precision_recall", each.judged.labels, each.judged.probabilities)
            for name, estimate in each.estimates.items():
                values = {"": estimate.value, " (low)": estimate.low, " (high)": estimate.high}
                run.scalars({f"{place}/{name}{part}": value for part, value in values.items()})
        run.picture("hold-out", np.asarray(Image.open(io.BytesIO(report.figure(found))).convert("RGB")))
        run.text("report", report.markdown(found))
