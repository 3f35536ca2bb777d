"""Metrics of a detector at its frozen threshold, one function each, and their intervals.

scikit-learn computes one sample at a time; these take all bootstrap replicates at once (2,000 of 10,000 images in seconds), and
tests hold them to scikit-learn's values, ties and weights included.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from validation.intervals import CONFIDENCE, REPLICATES, exact, of_area, percentiles, resampled, wider
from validation.judged import Judged, Weighted, ratio

BINS = 15

SURE = 1e-7
"""Probabilities are taken as this far from 0 and 1 in the log loss, or a single sure mistake would make it infinite."""


@dataclass(frozen=True)
class Estimate:
    """A value with its 95% interval.

    All are NaN where the images cannot give the value (one class only, or too few photographs); the interval alone is NaN where
    every bootstrap sample agrees and no exact interval is known, as of the F1 score of a detector that made no error.
    """

    value: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        return bool(np.isfinite(self.low) and np.isfinite(self.high))

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "n/a"
        return f"{self.value:.3f} " + (f"({self.low:.3f} to {self.high:.3f})" if self.known else "(no interval)")


def roc_auc(drawn: Weighted) -> np.ndarray:
    """Area under the ROC curve; tied scores count half."""
    tp, fp = drawn.curve
    area = (np.diff(fp, axis=1) * (tp[:, 1:] + tp[:, :-1])).sum(axis=1) / 2
    return ratio(area, tp[:, -1] * fp[:, -1])


def average_precision(drawn: Weighted) -> np.ndarray:
    """Mean precision over the recall steps, without interpolation; its floor is the share of generated images."""
    tp, fp = drawn.curve
    precision = np.nan_to_num(ratio(tp[:, 1:], tp[:, 1:] + fp[:, 1:]))
    return ratio((np.diff(tp, axis=1) * precision).sum(axis=1), tp[:, -1])


def equal_error_rate(drawn: Weighted) -> np.ndarray:
    """The rate at which the ROC curve's false positives equal its false negatives, linear between its two nearest points."""
    tpr, fpr = drawn.rates
    gap = fpr - (1 - tpr)  # never falls, from -1 to 1
    after = np.argmax(gap >= 0, axis=1)
    rows, before = np.arange(len(gap)), np.maximum(after - 1, 0)
    share = ratio(-gap[rows, before], gap[rows, after] - gap[rows, before])
    return fpr[rows, before] + share * (fpr[rows, after] - fpr[rows, before])


def tpr_at(limit: float) -> Callable[[Weighted], np.ndarray]:
    """The highest true-positive rate of the ROC curve's points with a false-positive rate of at most `limit`."""

    def metric(drawn: Weighted) -> np.ndarray:
        tpr, fpr = drawn.rates
        last = np.maximum((fpr <= limit + 1e-12).sum(axis=1) - 1, 0)
        return tpr[np.arange(len(tpr)), last]

    return metric


def tpr(drawn: Weighted) -> np.ndarray:
    """Recall: the share of generated images that are called generated."""
    tp, _, fn, _ = drawn.counts
    return ratio(tp, tp + fn)


def fpr(drawn: Weighted) -> np.ndarray:
    """The share of photographs that are called generated."""
    _, fp, _, tn = drawn.counts
    return ratio(fp, fp + tn)


def accuracy(drawn: Weighted) -> np.ndarray:
    tp, _, _, tn = drawn.counts
    return ratio(tp + tn, drawn.everything)


def balanced_accuracy(drawn: Weighted) -> np.ndarray:
    """Mean of the two classes' accuracies: a coin has .5, whatever the classes' sizes."""
    return (tpr(drawn) + 1 - fpr(drawn)) / 2


def balanced_accuracy_at_half(drawn: Weighted) -> np.ndarray:
    """Balanced accuracy if the probability alone decided, at .5."""
    return balanced_accuracy(Weighted(replace(drawn.judged, threshold=0.5), drawn.weights))


def precision(drawn: Weighted) -> np.ndarray:
    """The share of images called generated that are; at the mix of classes of these images, not of the world."""
    tp, fp, _, _ = drawn.counts
    return ratio(tp, tp + fp)


def f1(drawn: Weighted) -> np.ndarray:
    """Harmonic mean of precision and recall."""
    tp, fp, fn, _ = drawn.counts
    return ratio(2 * tp, 2 * tp + fp + fn)


def matthews(drawn: Weighted) -> np.ndarray:
    """Matthews correlation coefficient, -1 to 1; 0 where one answer is given to all."""
    tp, fp, fn, tn = drawn.counts
    product = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return np.divide(tp * tn - fp * fn, product, out=np.zeros(len(tp)), where=product > 0)


def brier(drawn: Weighted) -> np.ndarray:
    """Mean squared difference of probability and label."""
    return ratio(drawn.total((drawn.judged.probabilities - drawn.judged.labels) ** 2), drawn.everything)


def log_loss(drawn: Weighted) -> np.ndarray:
    """Mean negative logarithm, in nats, of the probability that was given to the truth."""
    sure = np.clip(drawn.judged.probabilities.astype(np.float64), SURE, 1 - SURE)
    return ratio(drawn.total(-np.log(np.where(drawn.generated, sure, 1 - sure))), drawn.everything)


def bins(probabilities: np.ndarray) -> np.ndarray:
    """The number of the reliability bin of each probability, BINS equal ones; 1.0 is in the last."""
    return np.minimum((probabilities * BINS).astype(int), BINS - 1)


def calibration_error(drawn: Weighted) -> np.ndarray:
    """Expected calibration error: by how much probability and share of generated images differ in the mean of 15 bins.

    It has no bootstrap interval: a bootstrap sample has the noise of its bins twice, so its ECE is too large by design.
    """
    member = np.arange(BINS) == bins(drawn.judged.probabilities)[:, None]
    gaps = drawn.total(member * (drawn.judged.labels - drawn.judged.probabilities)[:, None])
    return ratio(np.abs(gaps).sum(axis=1), drawn.everything)


def calibrated_by_chance(judged: Judged, draws: int = 500, seed: int = 0) -> float:
    """The ECE that a perfectly calibrated detector with these probabilities stays under in 95% of all sets of labels."""
    generator = np.random.default_rng(seed)
    member = np.arange(BINS) == bins(judged.probabilities)[:, None]
    found = []
    for _ in range(draws):  # one at a time: all of them are gigabytes for 100,000 images
        labels = generator.random(len(judged.labels)) < judged.probabilities
        found.append(np.abs((labels - judged.probabilities) @ member).sum() / len(judged.labels))
    return float(np.quantile(found, CONFIDENCE))


@dataclass(frozen=True)
class Metric:
    """One row.

    Attributes:
        compute: from weighted images to one value per replicate, (replicates,).
        classes: which classes it looks at, 1 for generated; without one of them it is n/a.
        higher: whether more is better.
        fewest_real: independent photographs under which it means nothing.
        share: whether it is a share of independent groups, and so has an exact interval.
        spread: whether the bootstrap can give an interval at all.
    """

    name: str
    compute: Callable[[Weighted], np.ndarray]
    classes: tuple[int, ...] = (0, 1)
    higher: bool = True
    fewest_real: int = 0
    share: bool = False
    spread: bool = True


METRICS = {
    row.name: row
    for row in (
        Metric("ROC AUC", roc_auc),
        Metric("balanced accuracy", balanced_accuracy),
        Metric("TPR", tpr, (1,), share=True),
        Metric("FPR", fpr, (0,), higher=False, share=True),
        Metric("accuracy", accuracy, share=True),
        Metric("precision", precision),
        Metric("F1", f1),
        Metric("MCC", matthews),
        Metric("average precision", average_precision),
        Metric("EER", equal_error_rate, higher=False),
        Metric("TPR at 1% FPR", tpr_at(0.01), fewest_real=1000),
        Metric("TPR at 5% FPR", tpr_at(0.05), fewest_real=300),
        Metric("balanced accuracy at 0.5", balanced_accuracy_at_half),
        Metric("Brier score", brier, higher=False),
        Metric("log loss", log_loss, higher=False),
        Metric("ECE", calibration_error, higher=False, spread=False),
    )
}


def estimates(
    judged: Judged,
    names: Iterable[str] = tuple(METRICS),
    replicates: int = REPLICATES,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> dict[str, Estimate]:
    """Metrics with their percentile intervals over groups drawn with replacement within each class.

    Where few groups or few errors make the bootstrap too sure, an interval that knows better widens it: the exact one of a
    share, Newcombe's of an AUC, both with one observation for each group.
    """
    groups = [len(np.unique(judged.groups[judged.labels == label])) for label in (0, 1)]
    rows = [METRICS[name] for name in names]
    given = [row for row in rows if all(groups[label] for label in row.classes) and groups[0] >= row.fewest_real]
    plain = Weighted(judged, np.ones((1, len(judged.labels))))
    drawn: dict[str, list[np.ndarray]] = {row.name: [] for row in given}
    for weights in resampled(judged, replicates if given else 0, seed):
        sample = Weighted(judged, weights)
        for row in given:
            drawn[row.name].append(row.compute(sample))
    found = {row.name: Estimate(np.nan, np.nan, np.nan) for row in rows}
    for row in given:
        value = float(row.compute(plain)[0])
        low, high = percentiles(np.concatenate(drawn[row.name]), confidence) if row.spread else (np.nan, np.nan)
        if row.share:
            low, high = wider((low, high), exact(value, sum(groups[label] for label in row.classes), confidence))
        elif row.name == "ROC AUC" and np.ptp(judged.probabilities) > 0:
            low, high = wider((low, high), of_area(value, *groups, confidence))
        found[row.name] = Estimate(value, low, high)
    return found
