"""Estimate metrics with 95% intervals: exact ones of shares, and what follows from them; bootstrap
t intervals of metrics that are read from the scores."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from validation.metrics.intervals import BOOTSTRAP_REPLICATES, CONFIDENCE_LEVEL, Interval
from validation.metrics.metrics import METRICS, Metric
from validation.metrics.rate_intervals import compute_rate_interval
from validation.metrics.score_intervals import compute_score_intervals
from validation.metrics.scored_images import ScoredImages
from validation.metrics.shares import compute_share_interval

NO_INTERVAL = (np.nan, np.nan)

CLASS_NOUNS = ("photographs", "generated images")


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval.

    Attributes:
        value: NaN if the images cannot give it.
        low, high: NaN without an interval.
        reason: the words why the value or its interval is missing; empty if nothing is.
    """

    value: float
    low: float
    high: float
    reason: str = ""

    @property
    def known(self) -> bool:
        return bool(np.isfinite(self.low) and np.isfinite(self.high))

    @property
    def interval(self) -> str:
        """The interval in brackets, or why there is none."""
        if self.known:
            return f"({self.low:.3f} to {self.high:.3f})"
        if np.isnan(self.value):
            return f"({self.reason})" if self.reason else ""
        return f"(no interval: {self.reason})" if self.reason else "(no interval)"

    @property
    def rounded_text(self) -> str:
        """Value and interval with two digits: a few dozen images do not justify a third."""
        if np.isnan(self.value):
            return "n/a"
        interval = f" ({self.low:.2f} to {self.high:.2f})" if self.known else ""
        return f"{self.value:.2f}{interval}"

    def __str__(self) -> str:
        value = "n/a" if np.isnan(self.value) else f"{self.value:.3f}"
        return f"{value} {self.interval}".strip()


UNKNOWN_ESTIMATE = Estimate(np.nan, np.nan, np.nan)


def estimate_metrics(
    scored: ScoredImages,
    names: Iterable[str] = tuple(METRICS),
    replicates: int = BOOTSTRAP_REPLICATES,
    seed: int = 0,
    confidence: float = CONFIDENCE_LEVEL,
) -> dict[str, Estimate]:
    """Compute metrics with their intervals; groups, not images, are the independent units."""
    rows = [METRICS[name] for name in names]
    missing = {row.name: explain_missing_value(row, scored) for row in rows}
    reasons = {
        row.name: missing[row.name] or _explain_missing_interval(row, scored) for row in rows
    }
    usable = [row for row in rows if not reasons[row.name]]
    from_scores = [row for row in usable if row.interval == "scores"]
    intervals = {row.name: _compute_cut_interval(row, scored, confidence) for row in usable}
    if from_scores:
        intervals |= compute_score_intervals(scored, from_scores, replicates, seed, confidence)
    return {
        row.name: _make_estimate(
            np.nan if missing[row.name] else row.compute_value(scored),
            intervals.get(row.name, NO_INTERVAL),
            reasons[row.name],
        )
        for row in rows
    }


def _make_estimate(value: float, interval: Interval, reason: str) -> Estimate:
    if np.isnan(value):
        return replace(UNKNOWN_ESTIMATE, reason=reason or "nothing was called generated")
    if np.isnan(interval[0]):
        return Estimate(value, *NO_INTERVAL, reason or "all resampled images give the same value")
    return Estimate(value, min(interval[0], value), max(interval[1], value))


def explain_missing_value(row: Metric, scored: ScoredImages) -> str:
    """Say why these images cannot give a metric; empty if they can."""
    groups = count_groups(scored)
    for label in row.classes:
        if not groups[label]:
            return f"no {CLASS_NOUNS[label]}"
    if groups[0] < row.min_real_groups:
        return f"{groups[0]:,} independent photographs, {row.min_real_groups:,} needed"
    return ""


def _explain_missing_interval(row: Metric, scored: ScoredImages) -> str:
    if row.interval is None:
        return "resampling would add the noise of its bins again"
    groups, label = min((count_groups(scored)[label], label) for label in row.classes)
    if groups < row.min_groups:
        noun = "group" if groups == 1 else "groups"
        return f"{groups} {noun} of {CLASS_NOUNS[label]}, {row.min_groups} needed"
    return ""


def count_groups(scored: ScoredImages) -> Sequence[int]:
    """Count the groups of photographs, and of generated images."""
    return [len(np.unique(scored.groups[scored.labels == label])) for label in (0, 1)]


def _compute_cut_interval(row: Metric, scored: ScoredImages, confidence: float) -> Interval:
    """Return the interval of a metric at a cut; none of one that is read from the scores."""
    if row.interval == "scores":
        return NO_INTERVAL
    at_cut = scored if row.cut is None else replace(scored, threshold=row.cut)
    called = at_cut.answers == row.answer if row.answer else at_cut.predicted_generated
    members = [scored.labels == label for label in row.classes]
    limits = [
        compute_share_interval(called[member], scored.groups[member], confidence)
        for member in members
    ]
    if row.interval == "share":
        return limits[0]
    rates = [float(called[member].mean()) for member in members]
    return compute_rate_interval(
        row, (rates[1], rates[0]), (limits[1], limits[0]), float(members[1].mean())
    )
