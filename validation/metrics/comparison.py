"""Compare two detectors on the same images: differences with paired intervals, DeLong's and
McNemar's tests, sentences."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from validation.metrics.estimates import Estimate
from validation.metrics.intervals import (
    BOOTSTRAP_REPLICATES,
    CONFIDENCE_LEVEL,
    compute_percentile_interval,
    resample_groups,
)
from validation.metrics.metrics import METRICS
from validation.metrics.scored_images import ScoredImages, WeightedImages

COMPARED_METRICS = (
    "ROC AUC",
    "balanced accuracy",
    "TPR",
    "FPR",
    "average precision",
    "log loss",
    "Brier score",
)
METRICS_IN_PERCENTAGE_POINTS = ("ROC AUC", "balanced accuracy", "TPR", "FPR", "average precision")
"""Metrics whose differences are given in percentage points."""


@dataclass(frozen=True)
class DetectorResult:
    """Scores and metrics of the validated detector, of a baseline, or of the one of --against.

    Attributes:
        delong: DeLong's interval of the ROC AUC; None if images share groups.
    """

    name: str
    scored: ScoredImages
    estimates: dict[str, Estimate]
    delong: Estimate | None = None


@dataclass(frozen=True, kw_only=True)
class MetricDifference:
    """A metric of detector `one` minus that of detector `other`.

    Attributes:
        by: the difference with its paired 95% interval; a point if both give every image the same
            score.
        sentence: the difference in words.
    """

    metric: str
    one: float
    other: float
    by: Estimate
    sentence: str


@dataclass(frozen=True, kw_only=True)
class DetectorComparison:
    """Detector `one` compared with detector `other`.

    Attributes:
        differences: one for each metric that the images can give.
        changed: numbers of images that only `one`, and only `other`, classified correctly.
        mcnemar, delong: two-sided p-values; None if images share groups, which both tests forbid,
            or if DeLong's test has no variance.
    """

    one: str
    other: str
    differences: list[MetricDifference]
    changed: tuple[int, int]
    mcnemar: float | None
    delong: float | None


def compare_detectors(
    names: tuple[str, str],
    one: ScoredImages,
    other: ScoredImages,
    replicates: int = BOOTSTRAP_REPLICATES,
    seed: int = 0,
) -> DetectorComparison:
    """Compare two detectors on the same images, in the same order, with the same resampled groups.

    Args:
        names: names of the two, for the sentences.
    """
    differences = [
        MetricDifference(
            metric=metric,
            one=_compute_unweighted(metric, one),
            other=_compute_unweighted(metric, other),
            by=difference,
            sentence=_describe_difference(metric, names, difference),
        )
        for metric, difference in estimate_paired_differences(
            one, other, COMPARED_METRICS, replicates, seed
        ).items()
    ]
    changed = int(np.sum(one.correct & ~other.correct)), int(np.sum(~one.correct & other.correct))
    has_both_classes = len(set(one.labels.tolist())) == 2
    return DetectorComparison(
        one=names[0],
        other=names[1],
        differences=differences,
        changed=changed,
        mcnemar=compute_mcnemar_p(*changed) if one.independent else None,
        delong=compute_delong_p(one, other) if one.independent and has_both_classes else None,
    )


def _compute_unweighted(metric: str, scored: ScoredImages) -> float:
    weights = np.ones((1, len(scored.labels)))
    return float(METRICS[metric].compute(WeightedImages(scored, weights))[0])


def estimate_paired_differences(
    one: ScoredImages,
    other: ScoredImages,
    metrics: Sequence[str],
    replicates: int = BOOTSTRAP_REPLICATES,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Estimate each metric of `one` minus that of `other`, if the images have the classes that it
    needs; both see the same resampled groups."""
    usable = [name for name in metrics if set(METRICS[name].classes) <= set(one.labels.tolist())]
    resampled: dict[str, list[np.ndarray]] = {name: [] for name in usable}
    unweighted = {}
    for weights in itertools.chain(
        [np.ones((1, len(one.labels)))], resample_groups(one, replicates, seed)
    ):
        samples = WeightedImages(one, weights), WeightedImages(other, weights)
        for name in usable:
            first, second = (METRICS[name].compute(sample) for sample in samples)
            if name in unweighted:
                resampled[name].append(first - second)
            else:
                unweighted[name] = float(first[0] - second[0])
    return {
        name: _estimate_difference(unweighted[name], np.concatenate(resampled[name]))
        for name in usable
    }


def _estimate_difference(value: float, resampled: np.ndarray) -> Estimate:
    if value == 0 and np.all(resampled == 0):
        return Estimate(value, 0.0, 0.0)
    return Estimate(value, *compute_percentile_interval(resampled))


def _describe_difference(metric: str, names: tuple[str, str], difference: Estimate) -> str:
    if difference.low == difference.high == 0:
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
        return f"{statement} on these images, which are too few for an interval."
    doubt = "; this may be chance" if size.low <= 0 else ""
    return f"{statement}, 95% interval {low} to {high}{doubt}."


def _negate_estimate(estimate: Estimate) -> Estimate:
    return Estimate(-estimate.value, -estimate.high, -estimate.low)


def compute_mcnemar_p(only_one: int, only_other: int) -> float:
    """Return the exact two-sided p-value of McNemar's test: are errors spread evenly over the
    images on which two detectors differ?"""
    import scipy.stats

    total = only_one + only_other
    return float(scipy.stats.binomtest(only_one, total).pvalue) if total else 1.0


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


def compute_delong_p(one: ScoredImages, other: ScoredImages) -> float | None:
    """Return the two-sided p-value of DeLong's test of two correlated ROC AUCs; None without
    variance."""
    import scipy.stats

    areas, covariance = _compute_auc_covariance([one, other])
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
