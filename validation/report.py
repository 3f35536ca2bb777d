"""The report beside the model it judges: report.md, report.json and its figures."""

import dataclasses
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_collection import manifest
from training.saved_models import Card
from validation.metrics import METRICS, Estimate, Judged


@dataclass(frozen=True)
class Verdicts:
    """One detector on the hold-out: the winner, or a baseline of it."""

    name: str
    judged: Judged
    estimates: dict[str, Estimate]


@dataclass(frozen=True)
class SourceRow:
    """Accuracy on one source at the frozen threshold."""

    source: str
    label: str
    images: int
    groups: int
    right: int


@dataclass(frozen=True)
class Report:
    """All that a validation found.

    Attributes:
        opened: how often this hold-out has been opened, this time included.
    """

    card: Card
    dataset: str
    opened: int
    verdicts: list[Verdicts]
    sources: list[SourceRow]


def write(report: Report, folder: Path) -> None:
    manifest.write_whole(folder / "report.json", (json.dumps(_as_json(report), indent=1) + "\n").encode())
    manifest.write_whole(folder / "hold-out.png", figure(report))
    manifest.write_whole(folder / "report.md", markdown(report).encode())


def _as_json(report: Report) -> dict:
    return {
        "model": report.card.name,
        "banner": report.card.banner,
        "dataset": report.dataset,
        "hold_out_opened": report.opened,
        "hold_out_sha256": report.card.dataset["hold_out_sha256"],
        "calibration": dataclasses.asdict(report.card.calibration),
        "detectors": {
            each.name: {
                "threshold": each.judged.threshold,
                **{name: _numbers(estimate) for name, estimate in each.estimates.items()},
            }
            for each in report.verdicts
        },
        "sources": [dataclasses.asdict(row) for row in report.sources],
    }


def _numbers(estimate: Estimate) -> dict[str, float | None]:
    return {key: None if np.isnan(value) else round(value, 6) for key, value in dataclasses.asdict(estimate).items()}


def markdown(report: Report) -> str:
    card, judged = report.card, report.verdicts[0].judged
    real, generated = int(np.sum(judged.labels == 0)), int(np.sum(judged.labels == 1))
    lines = [
        f"# {card.name} on the hold-out of {report.dataset}",
        "",
        *([f"> **{card.banner}**", ""] if card.banner else []),
        f"{real} photographs and {generated} generated images in {len(np.unique(judged.groups))} groups; no group has an "
        f"image in another split. This hold-out has been opened {report.opened} time{'s' if report.opened > 1 else ''}.",
        f"Threshold {judged.threshold:.3f} and temperature {card.calibration.temperature:.2f} come from the validation "
        f"split (at most {card.calibration.target_fpr:.0%} of its photographs reach the threshold).",
        f"Base: {card.base['name']}, {card.base['note']}.",
        "",
        "| metric | " + " | ".join(each.name for each in report.verdicts) + " |",
        "|---|" + "---|" * len(report.verdicts),
        *(f"| {name} | " + " | ".join(str(each.estimates[name]) for each in report.verdicts) + " |" for name in METRICS),
        "",
        "In brackets: 95% intervals by bootstrap over groups within each class (2,000 draws).",
        "",
        "| source | label | images | groups | right |",
        "|---|---|---|---|---|",
        *(
            f"| {r.source} | {r.label} | {r.images} | {r.groups} | {r.right} ({r.right / r.images:.1%}) |"
            for r in report.sources
        ),
        "",
        "![ROC curve and probabilities on the hold-out](hold-out.png)",
        "",
        "These figures hold for images of these sources. A generator that was not trained on may go unnoticed.",
        "",
    ]
    return "\n".join(lines)


def figure(report: Report) -> bytes:
    """ROC curves of all detectors, and the winner's probabilities by class; PNG."""
    from matplotlib.figure import Figure
    from sklearn.metrics import roc_curve

    drawing = Figure(figsize=(10, 4.2), layout="constrained")
    roc, histogram = drawing.subplots(1, 2)
    for each in report.verdicts:
        fpr, tpr, _ = roc_curve(each.judged.labels, each.judged.probabilities)
        roc.plot(fpr, tpr, label=f"{each.name}, AUC {each.estimates['ROC AUC'].value:.3f}", drawstyle="steps-post")
    roc.plot([0, 1], [0, 1], color="0.8", zorder=0)
    roc.set(xlabel="photographs called generated", ylabel="generated images found", title="ROC on the hold-out")
    roc.legend(loc="lower right", fontsize="small")
    winner = report.verdicts[0].judged
    for label, name in enumerate(manifest.LABELS):
        histogram.hist(winner.probabilities[winner.labels == label], bins=np.linspace(0, 1, 21), alpha=0.6, label=name)
    histogram.axvline(winner.threshold, color="0.2", linestyle="--", label="threshold")
    histogram.set(xlabel="probability of generated", ylabel="images", title=report.verdicts[0].name)
    histogram.legend(fontsize="small")
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
