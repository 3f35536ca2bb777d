"""Two detectors on the same images: paired intervals of the differences, DeLong's and McNemar's
tests, in words."""

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
"""Metrics whose differences are told in percentage points."""


@dataclass(frozen=True)
class DetectorResult:
    """One detector on the images: the one that is judged, a baseline of it, or a rival.

    Attributes:
        delong: DeLong's interval of the ROC AUC; None where images share groups.
    """

    name: str
    scored: ScoredImages
    estimates: dict[str, Estimate]
    delong: Estimate | None = None


@dataclass(frozen=True)
class MetricDifference:
    """One metric of one detector minus the same of another, on the same images.

    Attributes:
        by: the difference with its paired 95% interval; a point where both say the same of every
            image.
        sentence: the same in words.
    """

    metric: str
    one: float
    other: float
    by: Estimate
    sentence: str


@dataclass(frozen=True)
class DetectorComparison:
    """Detector `one` against detector `other`.

    Attributes:
        differences: one for each metric that both have.
        changed: images that only `one`, and that only `other`, judged right.
        mcnemar, delong: two-sided p-values; None where images share groups, which both tests
            forbid, and where DeLong's has no variance to go by.
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
    """Compares two detectors on the same images, in the same order; groups are drawn once for both.

    Args:
        names: of the two, for the sentences.
    """
    rows = []
    for name, by in estimate_paired_differences(
        one, other, COMPARED_METRICS, replicates, seed
    ).items():
        values = [
            float(METRICS[name].compute(WeightedImages(each, np.ones((1, len(each.labels)))))[0])
            for each in (one, other)
        ]
        rows.append(MetricDifference(name, *values, by, _describe_difference(name, names, by)))
    changed = int(np.sum(one.correct & ~other.correct)), int(np.sum(~one.correct & other.correct))
    alone = one.independent
    both = len(set(one.labels.tolist())) == 2
    return DetectorComparison(
        *names,
        rows,
        changed,
        compute_mcnemar_p(*changed) if alone else None,
        compute_delong_p(one, other) if alone and both else None,
    )


def estimate_paired_differences(
    one: ScoredImages,
    other: ScoredImages,
    metrics: Sequence[str],
    replicates: int = BOOTSTRAP_REPLICATES,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Each metric of one less that of the other, for those that these images can give; both see the
    same resampled groups."""
    usable = [name for name in metrics if set(METRICS[name].classes) <= set(one.labels.tolist())]
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in usable}
    plain = {}
    for weights in itertools.chain(
        [np.ones((1, len(one.labels)))], resample_groups(one, replicates, seed)
    ):
        samples = WeightedImages(one, weights), WeightedImages(other, weights)
        for name in usable:
            first, second = (METRICS[name].compute(sample) for sample in samples)
            if name in plain:
                drawn[name].append(first - second)
            else:
                plain[name] = float(first[0] - second[0])
    return {name: _estimate_difference(plain[name], np.concatenate(drawn[name])) for name in usable}


def _estimate_difference(value: float, drawn: np.ndarray) -> Estimate:
    same = value == 0 and np.all(drawn == 0)
    return (
        Estimate(value, 0.0, 0.0) if same else Estimate(value, *compute_percentile_interval(drawn))
    )


def _describe_difference(metric: str, names: tuple[str, str], by: Estimate) -> str:
    if by.low == by.high == 0:
        return f"{metric}: {names[0]} and {names[1]} do not differ at all."
    scale, unit, digits = (
        (100, " points", 1) if metric in METRICS_IN_PERCENTAGE_POINTS else (1, "", 3)
    )
    gain = by if METRICS[metric].higher_is_better else _negate_estimate(by)
    word, size = ("better", gain) if gain.value >= 0 else ("worse", _negate_estimate(gain))
    value, low, high = (
        f"{scale * number:.{digits}f}" for number in (size.value, size.low, size.high)
    )
    found = f"{metric}: {names[0]} is {word} than {names[1]} by {value}{unit}"
    if not by.known:
        return f"{found} on these images, which are too few for an interval."
    return (
        f"{found}, 95% interval {low} to {high}{'; this may be chance' if size.low <= 0 else ''}."
    )


def _negate_estimate(by: Estimate) -> Estimate:
    return Estimate(-by.value, -by.high, -by.low)


def compute_mcnemar_p(only_one: int, only_other: int) -> float:
    """Exact two-sided p-value of McNemar's test: whether errors are spread evenly over the images
    on which two differ."""
    import scipy.stats

    total = only_one + only_other
    return float(scipy.stats.binomtest(only_one, total).pvalue) if total else 1.0


def compute_delong_interval(scored: ScoredImages) -> Estimate:
    """The ROC AUC with DeLong's normal interval (DeLong et al. 1988), which knows nothing of an
    area of exactly 0 or 1.

    No interval there; all NaN with fewer than two images in a class.
    """
    import scipy.stats

    areas, covariance = _compute_auc_covariance([scored])
    if not np.isfinite(covariance).all():
        return Estimate(np.nan, np.nan, np.nan)
    if not covariance[0, 0] > 0:
        return Estimate(float(areas[0]), np.nan, np.nan)
    reach = scipy.stats.norm.ppf((1 + CONFIDENCE_LEVEL) / 2) * np.sqrt(covariance[0, 0])
    return Estimate(
        float(areas[0]), float(max(0, areas[0] - reach)), float(min(1, areas[0] + reach))
    )


def compute_delong_p(one: ScoredImages, other: ScoredImages) -> float | None:
    """Two-sided p-value of DeLong's test for two correlated ROC AUCs; None where there is no
    variance to go by."""
    import scipy.stats

    areas, covariance = _compute_auc_covariance([one, other])
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    if not variance > 0:
        return 1.0 if areas[0] == areas[1] else None
    return float(2 * scipy.stats.norm.sf(abs(areas[0] - areas[1]) / np.sqrt(variance)))


def _compute_auc_covariance(scored: Sequence[ScoredImages]) -> tuple[np.ndarray, np.ndarray]:
    """AUCs and their covariance from the placements of each class's scores among the other's (Sun
    and Xu 2014)."""
    from scipy.stats import rankdata

    generated = scored[0].labels == 1
    counts = int(generated.sum()), int((~generated).sum())
    if min(counts) < 2:
        return np.full(len(scored), np.nan), np.full((len(scored), len(scored)), np.nan)
    above, below = [], []
    for each in scored:
        ranks = rankdata(each.probabilities)
        above.append((ranks[generated] - rankdata(each.probabilities[generated])) / counts[1])
        below.append(1 - (ranks[~generated] - rankdata(each.probabilities[~generated])) / counts[0])
    covariance = np.atleast_2d(np.cov(above)) / counts[0] + np.atleast_2d(np.cov(below)) / counts[1]
    return np.mean(above, axis=1), covariance
