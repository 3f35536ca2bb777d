"""Compare two detectors on the same images: differences with paired intervals, DeLong's and
McNemar's tests, sentences."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from validation.metrics.estimates import Estimate, count_groups
from validation.metrics.intervals import (
    BOOTSTRAP_REPLICATES,
    CONFIDENCE_LEVEL,
    MIN_INTERVAL_GROUPS,
)
from validation.metrics.metrics import FALSE_ALARMS, FOUND, METRICS
from validation.metrics.paired_differences import PairedEstimate, estimate_paired_differences
from validation.metrics.scored_images import ScoredImages

METRICS_IN_PERCENTAGE_POINTS = (
    FALSE_ALARMS,
    FOUND,
    "ROC AUC",
    "balanced accuracy",
    "TPR",
    "FPR",
    "average precision",
)
"""Metrics whose differences are given in percentage points."""

COMPARED_METRICS = (*METRICS_IN_PERCENTAGE_POINTS, "log loss", "Brier score")


@dataclass(frozen=True)
class DetectorResult:
    """Scores and metrics of the validated detector, of a baseline, or of the one of --against.

    Attributes:
        delong: DeLong's interval of the ROC AUC; None if images share groups or are few.
    """

    name: str
    scored: ScoredImages
    estimates: dict[str, Estimate]
    delong: Estimate | None = None


def make_result(name: str, scored: ScoredImages, estimates: dict[str, Estimate]) -> DetectorResult:
    """Return the result of a detector, with DeLong's interval where the images allow it."""
    enough = min(count_groups(scored)) >= MIN_INTERVAL_GROUPS
    delong = compute_delong_interval(scored) if scored.independent and enough else None
    return DetectorResult(name, scored, estimates, delong)


@dataclass(frozen=True, kw_only=True)
class MetricDifference:
    """A metric of the first detector minus that of the second.

    Attributes:
        first, second: the metric of each.
        difference: with its paired 95% interval.
        sentence: the difference in words.
    """

    metric: str
    first: float
    second: float
    difference: Estimate
    sentence: str


@dataclass(frozen=True, kw_only=True)
class DetectorComparison:
    """Two detectors compared on the same images.

    Attributes:
        first, second: their names.
        differences: one for each metric that the images can give.
        only_first_correct, only_second_correct: numbers of images that only that detector
            classified correctly.
        mcnemar_p, delong_p: two-sided p-values; None if images share groups, which both tests
            forbid, or if DeLong's test has no variance.
    """

    first: str
    second: str
    differences: list[MetricDifference]
    only_first_correct: int
    only_second_correct: int
    mcnemar_p: float | None
    delong_p: float | None


def compare_detectors(
    names: tuple[str, str],
    first: ScoredImages,
    second: ScoredImages,
    replicates: int = BOOTSTRAP_REPLICATES,
    seed: int = 0,
    metrics: Sequence[str] = COMPARED_METRICS,
) -> DetectorComparison:
    """Compare two detectors on the same images, in the same order, with the same resampled groups.

    Args:
        names: names of the two, for the sentences.
    """
    differences = [
        MetricDifference(
            metric=metric,
            first=pair.first.value,
            second=pair.second.value,
            difference=pair.difference,
            sentence=_describe_difference(metric, names, pair),
        )
        for metric, pair in estimate_paired_differences(
            first, second, metrics, replicates, seed
        ).items()
    ]
    only_first = int(np.sum(first.correct & ~second.correct))
    only_second = int(np.sum(~first.correct & second.correct))
    has_both_classes = len(set(first.labels.tolist())) == 2
    return DetectorComparison(
        first=names[0],
        second=names[1],
        differences=differences,
        only_first_correct=only_first,
        only_second_correct=only_second,
        mcnemar_p=compute_mcnemar_p(only_first, only_second) if first.independent else None,
        delong_p=(
            compute_delong_p(first, second) if first.independent and has_both_classes else None
        ),
    )


def _describe_difference(metric: str, names: tuple[str, str], pair: PairedEstimate) -> str:
    difference = pair.difference
    if pair.equal:
        return f"{metric}: {names[0]} and {names[1]} do not differ at all."
    scale, unit, digits = (
        (100, " points", 1) if metric in METRICS_IN_PERCENTAGE_POINTS else (1, "", 3)
    )
    gain = difference if METRICS[metric].higher_is_better else _negate_estimate(difference)
    word, size = ("better", gain) if gain.value >= 0 else ("worse", _negate_estimate(gain))
    value, low, high = (
        f"{scale * number:.{digits}f}" for number in (size.value, size.low, size.high)
    )
    statement = f"{metric}: {names[0]} is {word} than {names[1]} by {value}{unit}"
    if not difference.known:
        return f"{statement} on these images (no interval: {difference.reason})."
    caveat = "; this may be chance" if size.low <= 0 else ""
    return f"{statement}, 95% interval {low} to {high}{caveat}."


def _negate_estimate(estimate: Estimate) -> Estimate:
    return Estimate(-estimate.value, -estimate.high, -estimate.low)


def compute_mcnemar_p(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value of McNemar's test: are errors spread evenly over the
    images on which two detectors differ?"""
    import scipy.stats

    total = only_first + only_second
    return float(scipy.stats.binomtest(only_first, total).pvalue) if total else 1.0


def compute_delong_interval(scored: ScoredImages) -> Estimate:
    """Return the ROC AUC with DeLong's normal interval (DeLong et al. 1988).

    An area of exactly 0 or 1 has no interval; all is NaN with fewer than two images in a class.
    """
    import scipy.stats

    areas, covariance = _compute_auc_covariance([scored])
    if not np.isfinite(covariance).all():
        return Estimate(np.nan, np.nan, np.nan)
    if not covariance[0, 0] > 0:
        return Estimate(float(areas[0]), np.nan, np.nan)
    margin = scipy.stats.norm.ppf((1 + CONFIDENCE_LEVEL) / 2) * np.sqrt(covariance[0, 0])
    return Estimate(
        float(areas[0]), float(max(0, areas[0] - margin)), float(min(1, areas[0] + margin))
    )


def compute_delong_p(first: ScoredImages, second: ScoredImages) -> float | None:
    """Return the two-sided p-value of DeLong's test of two correlated ROC AUCs; None without
    variance."""
    import scipy.stats

    areas, covariance = _compute_auc_covariance([first, second])
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    if not variance > 0:
        return 1.0 if areas[0] == areas[1] else None
    return float(2 * scipy.stats.norm.sf(abs(areas[0] - areas[1]) / np.sqrt(variance)))


def _compute_auc_covariance(detectors: Sequence[ScoredImages]) -> tuple[np.ndarray, np.ndarray]:
    """Compute AUCs and their covariance from the ranks of each class's scores in the other (Sun
    and Xu 2014)."""
    from scipy.stats import rankdata

    generated = detectors[0].labels == 1
    counts = int(generated.sum()), int((~generated).sum())
    if min(counts) < 2:
        n = len(detectors)
        return np.full(n, np.nan), np.full((n, n), np.nan)
    above, below = [], []
    for scored in detectors:
        scores = scored.probabilities
        ranks = rankdata(scores)
        above.append((ranks[generated] - rankdata(scores[generated])) / counts[1])
        below.append(1 - (ranks[~generated] - rankdata(scores[~generated])) / counts[0])
    covariance = np.atleast_2d(np.cov(above)) / counts[0] + np.atleast_2d(np.cov(below)) / counts[1]
    return np.mean(above, axis=1), covariance
