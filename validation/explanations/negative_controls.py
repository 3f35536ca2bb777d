"""The negative controls: what a detector must not be able to tell apart."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data_collection.dataset.manifest import FaceRecord
from validation.explanations.feature_space import FEATURE_SPACE_COMPONENTS
from validation.metrics.breakdowns import MIN_IMAGES_PER_SUBGROUP
from validation.metrics.estimates import Estimate, estimate_metrics
from validation.metrics.scored_images import ScoredImages

N_LABEL_SHUFFLES = 20

STUDENT_T_QUANTILE_99 = 2.54
"""One-sided 99% quantile of Student's t with SHUFFLES - 1 degrees of freedom."""


@dataclass(frozen=True)
class SourcePairControl:
    """AUC of the detector's probability between two sources of photographs: near .5 if it ignores
    the source."""

    one: str
    other: str
    auc: Estimate


def evaluate_source_pairs(
    records: Sequence[FaceRecord], scored: ScoredImages
) -> list[SourcePairControl]:
    """Compare every two sources of photographs: a difference is no evidence of a generator."""
    sources: dict[str, list[int]] = {}
    for index, record in enumerate(records):
        if record.label == "real":
            sources.setdefault(record.source, []).append(index)
    large = {name: rows for name, rows in sources.items() if len(rows) >= MIN_IMAGES_PER_SUBGROUP}
    found, pairs = [], list(itertools.combinations(sorted(large), 2))
    for one, other in pairs:
        rows = np.array(large[one] + large[other])
        pretended = np.repeat([1, 0], [len(large[one]), len(large[other])])
        apart = ScoredImages(
            scored.probabilities[rows], pretended, scored.groups[rows], scored.threshold
        )
        sure = 1 - 0.05 / len(pairs)  # Bonferroni: of many pairs one is far apart by chance
        found.append(
            SourcePairControl(
                one, other, estimate_metrics(apart, ["ROC AUC"], confidence=sure)["ROC AUC"]
            )
        )
    return found


@dataclass(frozen=True)
class ShuffledLabelsControl:
    """AUC on the evaluation set of a linear probe on the detector's features, trained on images of
    the training split.

    Attributes:
        true: with the true labels.
        mean, low, high: with labels shuffled among groups, SHUFFLES times; `low` and `high` are the
            extremes.
        error: standard error of the mean.
        learnt: images that the probe was trained on.
    """

    true: float
    mean: float
    low: float
    high: float
    error: float
    learnt: int

    @property
    def at_chance(self) -> bool:
        """Whether the mean is not significantly above chance level: one-sided t test at 1%."""
        return self.mean - 0.5 <= STUDENT_T_QUANTILE_99 * self.error


def evaluate_shuffled_labels(
    learnt: np.ndarray,
    learnt_records: Sequence[FaceRecord],
    values: np.ndarray,
    records: Sequence[FaceRecord],
) -> ShuffledLabelsControl:
    """Train on labels shuffled among whole groups of both splits: they must not be predictable."""
    from sklearn.decomposition import PCA

    reduce = PCA(min(FEATURE_SPACE_COMPONENTS, *learnt.shape), whiten=True, random_state=0).fit(
        learnt
    )
    x, y = reduce.transform(learnt), reduce.transform(values)
    everyone = [*learnt_records, *records]
    names, numbers = np.unique([record.group for record in everyone], return_inverse=True)
    labels = np.array([record.label == "generated" for record in everyone], dtype=int)
    of_group = np.zeros(len(names), dtype=int)
    of_group[numbers] = labels
    aucs = []
    for seed in range(N_LABEL_SHUFFLES):
        dealt = np.random.default_rng(seed).permutation(of_group)[numbers]
        aucs.append(_compute_probe_auc(x, dealt[: len(x)], y, dealt[len(x) :]))
    aucs = np.array(aucs)[np.isfinite(aucs)]
    true = _compute_probe_auc(x, labels[: len(x)], y, labels[len(x) :])
    if not len(aucs):
        return ShuffledLabelsControl(true, np.nan, np.nan, np.nan, np.nan, len(learnt))
    error = float(aucs.std(ddof=1) / np.sqrt(len(aucs))) if len(aucs) > 1 else np.nan
    return ShuffledLabelsControl(
        true, float(aucs.mean()), float(aucs.min()), float(aucs.max()), error, len(learnt)
    )


def _compute_probe_auc(
    x: np.ndarray, labels: np.ndarray, y: np.ndarray, truth: np.ndarray
) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    if min(len(set(labels.tolist())), len(set(truth.tolist()))) < 2:
        return float("nan")
    return float(
        roc_auc_score(truth, LogisticRegression(max_iter=1000).fit(x, labels).decision_function(y))
    )
