"""Score an outside detector: its metrics, its comparison with the validated one, and what must be
known of both."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from data_collection.dataset.manifest import LABELS
from runtime import console
from training.dataset import Dataset
from validation.data.evaluation_set import EvaluationSet
from validation.metrics.comparison import (
    COMPARED_METRICS,
    DetectorComparison,
    DetectorResult,
    compare_detectors,
    make_result,
)
from validation.metrics.estimates import CLASS_NOUNS, UNKNOWN_ESTIMATE, Estimate, estimate_metrics
from validation.metrics.metrics import METRICS
from validation.metrics.scored_images import ScoredImages
from validation.outside.outside_detector import OutsideDetector, OutsideScores

OUTSIDE_THRESHOLD = 0.5
"""Probabilities from here on count as generated: nobody has set another cut for it."""

NO_CUTS_REASON = "no cuts set by Telltale"

OWN_CUT_METRICS = ("TPR", "FPR")
"""Not compared: one is at a cut that was set, the other at .5."""

CUT_NOTE = (
    f"Its cuts were not set by Telltale, so nothing is promised of its false alarms; TPR, FPR, "
    f"accuracy and what follows from them are at {OUTSIDE_THRESHOLD}, as it says itself."
)
CHOSEN_NOTE = (
    "“TPR at 5% FPR” is at a cut that was chosen on these very images, so it flatters every "
    "detector in the table."
)
TRAINING_NOTE = "Whether it was trained on some of these images is not known."


@dataclass(frozen=True, kw_only=True)
class OutsideResult:
    """An outside detector on the images of a validation, or why it gave no result.

    Attributes:
        notes: sentences that a reader needs beside its figures.
        failure, exit_code: why there is no result; an empty string if there is one.
        probabilities: shape (images,), NaN where it has none; None after a failure.
        missing: number of photographs and of generated images that it did not score.
        comparison: of the validated detector with it, on the images that it scored.
    """

    name: str
    notes: list[str] = field(default_factory=list)
    failure: str = ""
    exit_code: int = 0
    probabilities: np.ndarray | None = None
    missing: tuple[int, int] = (0, 0)
    result: DetectorResult | None = None
    comparison: DetectorComparison | None = None


def score_outside_detector(
    outside: OutsideDetector, data: EvaluationSet, first: DetectorResult
) -> OutsideResult:
    """Score an outside detector beside the validated one; a failure loses no other result.

    Args:
        first: the result of the validated detector.
    """
    try:
        scores = outside.score_images(data)
        scored_images = np.flatnonzero(np.isfinite(scores.probabilities))
        missing = _count_missing(outside.name, data, scored_images)
    except console.PlainError as error:
        return OutsideResult(
            name=outside.name, failure=str(error), exit_code=error.exit_code or console.EXIT_USAGE
        )
    scored = ScoredImages.from_records(data.records, scores.probabilities, OUTSIDE_THRESHOLD)
    scored = scored.select(scored_images)
    result = make_result(outside.name, scored, estimate_outside_metrics(scored))
    return OutsideResult(
        name=outside.name,
        notes=_list_notes(outside, scores, missing, result),
        probabilities=scores.probabilities,
        missing=missing,
        result=result,
        comparison=compare_detectors(
            (first.name, outside.name),
            first.scored.select(scored_images),
            scored,
            metrics=[
                name
                for name in COMPARED_METRICS
                if METRICS[name].answer is None and name not in OWN_CUT_METRICS
            ],
        ),
    )


def estimate_outside_metrics(scored: ScoredImages) -> dict[str, Estimate]:
    """Estimate the metrics that need no cut of Telltale's; the three answers have no value."""
    names = [name for name, metric in METRICS.items() if metric.answer is None]
    estimates = estimate_metrics(scored, names)
    unknown = replace(UNKNOWN_ESTIMATE, reason=NO_CUTS_REASON)
    return {name: estimates.get(name, unknown) for name in METRICS}


def _count_missing(name: str, data: EvaluationSet, scored_images: np.ndarray) -> tuple[int, int]:
    """Return the number of images of each class without a probability.

    Raises:
        PlainError: a class that the set has is without any.
    """
    labels = Dataset.encode_labels(data.records)
    missing = []
    for label, noun in enumerate(CLASS_NOUNS):
        total, scored = (int(np.sum(part == label)) for part in (labels, labels[scored_images]))
        if total and not scored:
            raise console.PlainError(
                f"{name} has no probability for any of the {total:,} {noun} of {data.name}. Name "
                "them by sha256 or path; --predictions-out writes both."
            )
        missing.append(total - scored)
    return missing[0], missing[1]


def _list_notes(
    outside: OutsideDetector,
    scores: OutsideScores,
    missing: Sequence[int],
    result: DetectorResult,
) -> list[str]:
    notes = [CUT_NOTE, outside.input_note, TRAINING_NOTE, *scores.notes]
    if any(missing):
        counts = " and ".join(
            f"{count:,} of {count + int(np.sum(result.scored.labels == label)):,} {noun}"
            for label, (count, noun) in enumerate(zip(missing, CLASS_NOUNS, strict=True))
        )
        notes.insert(
            0,
            f"It has no probability for {counts}, so its figures, and all differences from it, are "
            "of the others alone. One that leaves out what is hard looks better than it is.",
        )
    if np.isfinite(result.estimates["TPR at 5% FPR"].value):
        notes.append(CHOSEN_NOTE)
    return notes


def build_outside_json(outside: OutsideResult) -> dict[str, object]:
    """Build the part of metrics.json about an outside detector; its metrics are with the others."""
    return {
        "name": outside.name,
        "failure": outside.failure,
        "notes": outside.notes,
        "not_scored": dict(zip(LABELS, outside.missing, strict=True)),
        "threshold": OUTSIDE_THRESHOLD,
    }
