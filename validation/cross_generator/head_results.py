"""Results of one head: recall, false alarms, confident errors, the history control."""

from dataclasses import dataclass

from data_collection.dataset.manifest import ImageClass
from validation.metrics.estimates import Estimate


@dataclass(frozen=True)
class ConfidentErrors:
    """Wrong verdicts outside the abstention band.

    Attributes:
        wrong: their share.
        wrong_in_distribution: the same if out-of-distribution images get no verdict.
        out_of_distribution: share of out-of-distribution images.
    """

    wrong: Estimate
    wrong_in_distribution: Estimate
    out_of_distribution: Estimate


@dataclass(frozen=True, kw_only=True)
class GeneratorResult:
    """Result on one generated source, or on several together.

    Attributes:
        seen: whether the head was trained on it; then only its hold-out was tested.
        left_out: images that were not tested because their group was in training.
        auc: ROC AUC against `photographs` photographs.
        tpr: share called generated at the head's threshold.
    """

    tested_on: tuple[str, ...]
    seen: bool
    images: int
    groups: int
    left_out: int
    photographs: int
    auc: Estimate
    tpr: Estimate
    confident_errors: ConfidentErrors


@dataclass(frozen=True, kw_only=True)
class FalseAlarms:
    """Share of one real source's photographs called generated; attributes as in
    `GeneratorResult`."""

    source: str
    seen: bool
    images: int
    groups: int
    left_out: int
    fpr: Estimate
    confident_errors: ConfidentErrors


@dataclass(frozen=True, kw_only=True)
class ReprocessedResult:
    """Test images of one class with the processing of a source of the other class.

    Attributes:
        source, label: source of the processing.
        processing: the processing, in words.
        share_before, share_after: share called generated without and with it.
        change: paired change of that share.
    """

    source: str
    label: ImageClass
    processing: str
    share_before: float
    share_after: float
    change: Estimate


@dataclass(frozen=True, kw_only=True)
class HeadOutcome:
    """One head: its training sources and its results.

    Attributes:
        trained_on: names of the training sources.
        training_images: counts by label.
        threshold_photographs: number of photographs that set the threshold.
        reprocessed: history control; empty without --history-control.
    """

    name: str
    trained_on: tuple[str, ...]
    training_images: dict[ImageClass, int]
    threshold_photographs: int
    threshold: float
    cells: list[GeneratorResult]
    false_alarms: list[FalseAlarms]
    reprocessed: list[ReprocessedResult]
