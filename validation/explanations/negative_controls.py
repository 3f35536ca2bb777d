"""Negative controls: comparisons in which a detector must stay at chance level."""

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
"""One-sided 99% quantile of Student's t with N_LABEL_SHUFFLES - 1 degrees of freedom."""


@dataclass(frozen=True)
class SourcePairControl:
    """AUC of the detector's probability between two sources of photographs: near .5 if it ignores
    the source."""

    first: str
    second: str
    auc: Estimate


def evaluate_source_pairs(
    records: Sequence[FaceRecord], scored: ScoredImages
) -> list[SourcePairControl]:
    """Compare every two sources of photographs: a difference is not evidence of a generator."""
    sources: dict[str, list[int]] = {}
    for index, record in enumerate(records):
        if record.label == "real":
            sources.setdefault(record.source, []).append(index)
    large = {name: rows for name, rows in sources.items() if len(rows) >= MIN_IMAGES_PER_SUBGROUP}
    controls, pairs = [], list(itertools.combinations(sorted(large), 2))
    for first, second in pairs:
        rows = np.array(large[first] + large[second])
        labels = np.repeat([1, 0], [len(large[first]), len(large[second])])
        pair = ScoredImages(
            scored.probabilities[rows], labels, scored.groups[rows], scored.threshold
        )
        confidence = 1 - 0.05 / len(pairs)  # Bonferroni: of many pairs one differs by chance
        auc = estimate_metrics(pair, ["ROC AUC"], confidence=confidence)["ROC AUC"]
        controls.append(SourcePairControl(first, second, auc))
    return controls


@dataclass(frozen=True, kw_only=True)
class ShuffledLabelsControl:
    """AUC on the evaluation set of a linear probe on the detector's features, trained on images of
    the training split.

    Attributes:
        true_label_auc: AUC with the true labels.
        mean, low, high: mean and extremes of the AUC with labels shuffled among groups,
            N_LABEL_SHUFFLES times.
        error: standard error of the mean.
        n_training_images: number of images that trained the probe.
    """

    true_label_auc: float
    mean: float
    low: float
    high: float
    error: float
    n_training_images: int

    @property
    def at_chance(self) -> bool:
        """Return whether the mean is not significantly above .5: one-sided t test at 1%."""
        return self.mean - 0.5 <= STUDENT_T_QUANTILE_99 * self.error


def evaluate_shuffled_labels(
    training_values: np.ndarray,
    training_records: Sequence[FaceRecord],
    values: np.ndarray,
    records: Sequence[FaceRecord],
) -> ShuffledLabelsControl:
    """Train a probe on labels shuffled among whole groups of both splits: it must not predict
    them."""
    from sklearn.decomposition import PCA

    n_components = min(FEATURE_SPACE_COMPONENTS, *training_values.shape)
    pca = PCA(n_components, whiten=True, random_state=0).fit(training_values)
    x, y = pca.transform(training_values), pca.transform(values)
    all_records = [*training_records, *records]
    names, numbers = np.unique([record.group for record in all_records], return_inverse=True)
    labels = np.array([record.label == "generated" for record in all_records], dtype=int)
    group_labels = np.zeros(len(names), dtype=int)
    group_labels[numbers] = labels
    aucs = []
    for seed in range(N_LABEL_SHUFFLES):
        shuffled = np.random.default_rng(seed).permutation(group_labels)[numbers]
        aucs.append(_compute_probe_auc(x, shuffled[: len(x)], y, shuffled[len(x) :]))
    aucs = np.array(aucs)[np.isfinite(aucs)]
    return ShuffledLabelsControl(
        true_label_auc=_compute_probe_auc(x, labels[: len(x)], y, labels[len(x) :]),
        mean=float(aucs.mean()) if len(aucs) else np.nan,
        low=float(aucs.min()) if len(aucs) else np.nan,
        high=float(aucs.max()) if len(aucs) else np.nan,
        error=float(aucs.std(ddof=1) / np.sqrt(len(aucs))) if len(aucs) > 1 else np.nan,
        n_training_images=len(training_values),
    )


def _compute_probe_auc(
    x: np.ndarray, x_labels: np.ndarray, y: np.ndarray, y_labels: np.ndarray
) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    if min(len(set(x_labels.tolist())), len(set(y_labels.tolist()))) < 2:
        return float("nan")
    probe = LogisticRegression(max_iter=1000).fit(x, x_labels)
    return float(roc_auc_score(y_labels, probe.decision_function(y)))
