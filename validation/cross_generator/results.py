"""Results of a cross-generator evaluation: findings in sentences, and cross_generator.json."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from data_collection.audit.audit_file import check_audit_gate
from data_collection.dataset import manifest, splits
from data_collection.images import canonical
from runtime import library_versions, options
from training.bases.weights import BaseWeights
from training.dataset import Dataset
from training.final_detector.next_steps import MAX_ALARM_FACTOR
from validation.cross_generator.head_results import GeneratorResult, HeadOutcome, ReprocessedResult
from validation.cross_generator.plan import SourceImages
from validation.cross_generator.settings import CrossGeneratorSettings, HeadKind, SignalName
from validation.metrics.intervals import BOOTSTRAP_REPLICATES, CONFIDENCE_LEVEL

HEAD_DESCRIPTIONS: dict[HeadKind, str] = {
    "logistic": "logistic regression (C = 1)",
    "ridge": "ridge regression",
    "ridge-per-generator": (
        "one ridge regression per generator, of which the most confident decides,"
    ),
    "search": "the ensemble of `python -m training`",
}
SIGNAL_DESCRIPTIONS: dict[SignalName, str] = {
    "picture": "of the picture",
    "residual": "of its noise residual",
}


def describe_head(settings: CrossGeneratorSettings) -> str:
    """Describe the heads in words."""
    taps = "every tap" if settings.taps == "all" else f"the taps called {settings.taps!r}"
    signals = " and ".join(SIGNAL_DESCRIPTIONS[signal] for signal in settings.signals)
    return (
        f"{HEAD_DESCRIPTIONS[settings.head]} on the standardised mean and standard deviation of "
        f"{taps} {signals}"
    )


WEAK_AUC = 0.8
"""Under this AUC on a generator never seen, its images should be collected."""


@dataclass(frozen=True, kw_only=True)
class CrossGeneratorResult:
    """Results of a run.

    Attributes:
        hold_out_openings: how often this hold-out has been opened, this time included.
        rows: one head for each generated source.
        left_out: one head for each source, or pair of sources, left out of its training.
    """

    data: Dataset
    images: SourceImages
    weights: BaseWeights
    settings: CrossGeneratorSettings
    hold_out_openings: int
    rows: list[HeadOutcome]
    left_out: list[HeadOutcome]

    @property
    def banner(self) -> str:
        """Return the warning of the data set's audit; empty if there is none."""
        data = self.data
        side = data.choose_side((self.settings.size,))
        return check_audit_gate(data.folder, data.records, side, accept_shortcuts=True)


@dataclass(frozen=True)
class CrossGeneratorSummary:
    """Mean AUC on known and on unknown generators, and the cell with the lowest AUC.

    Attributes:
        worst: (row, cell); None if no cell has an AUC.
    """

    diagonal: float
    off_diagonal: float
    worst: tuple[HeadOutcome, GeneratorResult] | None


def summarise_outcomes(rows: list[HeadOutcome]) -> CrossGeneratorSummary:
    cells = [(row, cell) for row in rows for cell in row.cells if not math.isnan(cell.auc.value)]
    return CrossGeneratorSummary(
        _compute_mean_or_nan([cell.auc.value for _, cell in cells if cell.seen]),
        _compute_mean_or_nan([cell.auc.value for _, cell in cells if not cell.seen]),
        min(cells, key=lambda pair: pair[1].auc.value, default=None),
    )


def _compute_mean_or_nan(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def format_number(value: float, digits: int = 3) -> str:
    return "n/a" if math.isnan(value) else f"{value:.{digits}f}"


def describe_findings(result: CrossGeneratorResult) -> Iterator[str]:
    """Yield sentences: diagonal, off-diagonal, worst cell, and the worst sources left out."""
    summary = summarise_outcomes(result.rows)
    yield (
        "On the generator that a head was trained on, the mean AUC is "
        f"{format_number(summary.diagonal)} (the diagonal)."
    )
    yield (
        "On a generator that it has never seen, the mean AUC is "
        f"{format_number(summary.off_diagonal)} (off the diagonal)."
    )
    if summary.worst:
        row, cell = summary.worst
        yield (
            f"The worst cell: trained on {row.name}, tested on {cell.tested_on[0]}, AUC "
            f"{cell.auc}; of 100 such images it finds {format_number(100 * cell.tpr.value, 0)} at "
            "its threshold."
        )
    yield from _describe_left_out(result.left_out)
    yield from _describe_next_steps(result, summary)


def _describe_next_steps(
    result: CrossGeneratorResult, summary: CrossGeneratorSummary
) -> Iterator[str]:
    """Yield what to do about the worst cell and the most false alarms, with a command each."""
    collect = f"--dataset {result.data.folder.name}"
    if summary.worst and summary.worst[1].auc.value < WEAK_AUC:
        _, cell = summary.worst
        yield (
            f"What to do next: an AUC under {WEAK_AUC} on {cell.tested_on[0]} means that it is "
            "hardly found unless a detector is trained on it. Collect images of every generator "
            f"that matters: python -m data_collection --generated folder:PATH {collect}"
        )
    limit = MAX_ALARM_FACTOR * result.settings.target_fpr
    unseen = [
        alarms
        for row in result.left_out
        for alarms in row.false_alarms
        if not alarms.seen and alarms.fpr.value > limit
    ]
    if unseen:
        worst = max(unseen, key=lambda alarms: alarms.fpr.value)
        yield (
            f"What to do next: {worst.fpr.value:.0%} false alarms on {worst.source}, which was "
            "left out, are more than twice the target. Collect further sources of photographs: "
            f"python -m data_collection --real folder:PATH {collect}"
        )


def _describe_left_out(rows: list[HeadOutcome]) -> Iterator[str]:
    cells = [
        (row, cell)
        for row in rows
        for cell in row.cells
        if not cell.seen and not math.isnan(cell.auc.value)
    ]
    if cells:
        row, cell = min(cells, key=lambda pair: pair[1].auc.value)
        yield (
            f"The worst source left out: trained on everything but {row.name}, AUC {cell.auc} on "
            f"{cell.tested_on[0]}."
        )
    all_alarms = [
        (row, alarms)
        for row in rows
        for alarms in row.false_alarms
        if not alarms.seen and not math.isnan(alarms.fpr.value)
    ]
    if all_alarms:
        row, alarms = max(all_alarms, key=lambda pair: pair[1].fpr.value)
        yield (
            f"The most false alarms on photographs of a source never seen: {alarms.fpr} of "
            f"{alarms.source}, trained on everything but {row.name}."
        )
    yield from _describe_history_control(rows)


def _describe_history_control(rows: list[HeadOutcome]) -> Iterator[str]:
    changes = [
        (row, reprocessed)
        for row in rows
        for reprocessed in row.reprocessed
        if reprocessed.change.known
    ]
    if changes:
        row, largest = max(changes, key=lambda pair: abs(pair[1].change.value))
        change, images = largest.change, describe_reprocessed_images(largest)
        yield (
            "History control: the processing of another source changes the share called generated "
            f"by {100 * change.value:+.0f} points at most (95% interval {100 * change.low:+.0f} to "
            f"{100 * change.high:+.0f}): {images} with that of {largest.source} "
            f"({largest.processing}), scored by the head that has not seen {row.name}."
        )


def describe_reprocessed_images(result: ReprocessedResult) -> str:
    """Return the class of the images that get the processing of a source of the other class."""
    return "photographs" if result.label == "generated" else "generated images"


def build_cross_generator_json(result: CrossGeneratorResult) -> dict:
    records, settings = result.data.records, result.settings
    summary = summarise_outcomes(result.rows)
    return {
        "dataset": result.data.folder.name,
        "fingerprint": manifest.compute_fingerprint(records),
        "hold_out_sha256": splits.compute_hold_out_sha256(records),
        "hold_out_opened": result.hold_out_openings,
        "banner": result.banner,
        "command": options.format_command_line("python -m validation cross-generator", settings),
        "settings": vars(settings),
        "base": {key: getattr(result.weights, key) for key in ("base", "origin", "sha256", "note")},
        "canonicaliser": canonical.CANONICALISER_VERSION,
        "head": describe_head(settings),
        "intervals": {
            "confidence": CONFIDENCE_LEVEL,
            "replicates": BOOTSTRAP_REPLICATES,
            "seed": settings.seed,
            "resampled": "groups within class",
        },
        "versions": library_versions.get_library_versions(),
        "sources": count_images_per_source(result),
        "summary": {
            "mean_auc_diagonal": summary.diagonal,
            "mean_auc_off_diagonal": summary.off_diagonal,
            "worst": summary.worst
            and {"trained_on": summary.worst[0].name, "tested_on": summary.worst[1].tested_on[0]},
        },
        "one_generator_each": result.rows,
        "leave_one_source_out": result.left_out,
    }


def count_images_per_source(result: CrossGeneratorResult) -> list[dict]:
    """Count the images of every source by split, and its groups."""
    images = result.images
    rows = []
    for source in images.sources:
        parts = {part: len(images.rows([source], part)) for part in splits.SPLITS}
        groups = len({images.group[row] for row in images.rows([source], *splits.SPLITS)})
        rows.append({"name": source.name, "label": source.label, **parts, "groups": groups})
    return rows
