"""Probes: measure how well a few features separate two classes, with an interval and a status."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from data_collection.audit.file_differences import (
    ABSENT_FACT_VALUES,
    FILE_FACT_PHRASES,
    MIN_EXCLUSIVE_SHARE,
)
from data_collection.audit.file_features import FeatureValues

ProbeStatus = Literal["RED", "too few", "AMBER", "GREEN", "WARN", "reported"]

MAX_CHANCE_AUC, WARNING_AUC = 0.60, 0.70
"""A Tier 1 probe is RED if the interval of its AUC lies above the first; with 80 groups of 10
images and random labels, 95% of the AUCs lie under .558. A Tier 2 probe gives a warning if its
interval lies above the second."""

MIN_GROUPS_FOR_GREEN, MIN_IMAGES_FOR_GREEN = 20, 200
"""Per class; with fewer, no probe is GREEN."""

CROSS_VALIDATION_FOLDS, BOOTSTRAP_RESAMPLES = 5, 300

PROBE_TIERS = {
    "container": 1,
    "processing history": 1,
    "file size": 2,
    "colour": 2,
    "thumbnail": 2,
    "border": 2,
}
"""Tier of each probe. 1: never evidence of a generator. 2: depends on what was collected. 3 (all
others): may be a trace."""


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """How well one set of features separates the classes, in 5-fold cross-validation that never
    splits a group.

    Attributes:
        name: of the set of features.
        tier: 1, 2 or 3, see PROBE_TIERS.
        auc: the larger of the AUCs of a logistic regression and of a small gradient-boosted tree.
        low, high: its 95% interval, by a bootstrap of groups within class.
        best_single: the feature that separates best by itself, with its direction, as text.
    """

    name: str
    tier: int
    auc: float
    low: float
    high: float
    best_single: str
    status: ProbeStatus


def format_probes(probes: Sequence[ProbeResult]) -> str:
    return ", ".join(
        f"{probe.name} (AUC {probe.auc:.2f}, {probe.low:.2f} to {probe.high:.2f})"
        for probe in probes
    )


def evaluate_probe(
    name: str,
    image_features: Sequence[FeatureValues],
    positive: np.ndarray,
    groups: np.ndarray,
    positive_phrase: str,
    seed: int,
) -> ProbeResult:
    """Evaluate one set of features.

    Args:
        positive: whether an image belongs to the second class; bool, shape (images,).
        groups: group of each image; shape (images,).
        positive_phrase: name of the images of the second class in `best_single`.
    """
    tier = 1 if name not in PROBE_TIERS and "history" in name else PROBE_TIERS.get(name, 3)
    min_groups = min(len(set(groups[positive == side])) for side in (False, True))
    if min_groups < 2 * CROSS_VALIDATION_FOLDS:
        return _build_chance_result(name, tier)
    table, columns = build_feature_table(image_features)
    scores = compute_out_of_fold_scores(table, positive, groups, seed)
    resamples = resample_groups(groups, positive, seed)
    best = max(scores, key=lambda score: compute_auc(score, positive))
    low, high = np.percentile(
        [compute_auc(best, positive, weights) for weights in resamples], (2.5, 97.5)
    )
    enough_data = (
        min_groups >= MIN_GROUPS_FOR_GREEN
        and min(positive.sum(), (~positive).sum()) >= MIN_IMAGES_FOR_GREEN
    )
    return ProbeResult(
        name=name,
        tier=tier,
        auc=round(compute_auc(best, positive), 4),
        low=round(float(low), 4),
        high=round(float(high), 4),
        best_single=describe_best_column(table, columns, positive, positive_phrase),
        status=decide_probe_status(tier, low, high, enough_data),
    )


def _build_chance_result(name: str, tier: int) -> ProbeResult:
    """Return the result of a probe with too few groups to cross-validate."""
    return ProbeResult(
        name=name,
        tier=tier,
        auc=0.5,
        low=0.0,
        high=1.0,
        best_single="",
        status="too few" if tier == 1 else "reported",
    )


def decide_probe_status(tier: int, low: float, high: float, enough_data: bool) -> ProbeStatus:
    """Decide by the interval; little data can prove a shortcut, but never its absence."""
    if tier > 1:
        return "WARN" if tier == 2 and low > WARNING_AUC else "reported"
    if low > MAX_CHANCE_AUC:
        return "RED"
    return "too few" if not enough_data else "GREEN" if high <= MAX_CHANCE_AUC else "AMBER"


def build_feature_table(image_features: Sequence[FeatureValues]) -> tuple[np.ndarray, list[str]]:
    """Return a float64 table of shape (images, columns) and the columns' names; a category becomes
    one column per value."""
    columns: dict[str, list[float]] = {}
    for name in image_features[0]:
        values = [image[name] for image in image_features]
        if isinstance(values[0], str):
            for value in sorted(
                v
                for v, n in Counter(values).items()
                if v not in ABSENT_FACT_VALUES and n > MIN_EXCLUSIVE_SHARE / 2 * len(values)
            ):
                columns[f"files that {FILE_FACT_PHRASES[name].format(value)}"] = [
                    float(v == value) for v in values
                ]
        else:
            columns[name] = values
    columns = {name: values for name, values in columns.items() if min(values) != max(values)}
    return np.array(list(columns.values()), dtype=np.float64).reshape(
        len(columns), len(image_features)
    ).T, list(columns)


def compute_out_of_fold_scores(
    table: np.ndarray, positive: np.ndarray, groups: np.ndarray, seed: int
) -> list[np.ndarray]:
    """Return scores by both classifiers, each of shape (images,), from models trained without the
    image's group."""
    import threadpoolctl
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if not table.shape[1]:
        return [np.zeros(len(positive))]
    models = (
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
        HistGradientBoostingClassifier(
            max_iter=60, max_leaf_nodes=7, early_stopping=False, random_state=seed
        ),
    )
    scores = [np.zeros(len(positive)) for _ in models]
    folds = StratifiedGroupKFold(CROSS_VALIDATION_FOLDS, shuffle=True, random_state=seed)
    # On tables this small more threads only wait for each other.
    with threadpoolctl.threadpool_limits(1):
        for train, test in folds.split(table, positive, groups):
            # A fold with more of one class is scored by models that saw less of it. Subtract the
            # models' base rate, or chance would lie under .5. (Class weights would do it too, but
            # they make the tree's binning twenty times slower.)
            base_rate = positive[train].mean()
            for score, model in zip(scores, models, strict=True):
                score[test] = model.fit(table[train], positive[train]).decision_function(
                    table[test]
                ) - np.log(base_rate / (1 - base_rate))
    return scores


def compute_auc(
    score: np.ndarray, positive: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """Return the area under the ROC curve, ties averaged; .5 where a class has no weight."""
    weights = np.ones(len(score)) if weights is None else weights
    _, rank = np.unique(score, return_inverse=True)
    above, below = (
        np.bincount(rank, weights * side, minlength=rank.max() + 1)
        for side in (positive, ~positive)
    )
    pairs = above.sum() * below.sum()
    return float(above @ (np.cumsum(below) - below / 2) / pairs) if pairs else 0.5


def resample_groups(groups: np.ndarray, positive: np.ndarray, seed: int) -> list[np.ndarray]:
    """Resample whole groups with replacement, within real, generated and mixed ones; return
    BOOTSTRAP_RESAMPLES arrays of weights, each of shape (images,)."""
    _, group_index = np.unique(groups, return_inverse=True)
    has_class = [np.bincount(group_index, side) > 0 for side in (positive, ~positive)]
    strata = [
        np.flatnonzero(part)
        for part in (
            has_class[0] & has_class[1],
            has_class[0] & ~has_class[1],
            ~has_class[0] & has_class[1],
        )
    ]
    random, resamples = np.random.default_rng(seed), []
    for _ in range(BOOTSTRAP_RESAMPLES):
        count = np.zeros(len(has_class[0]))
        for members in strata:
            if len(members):
                count[members] = random.multinomial(
                    len(members), np.full(len(members), 1 / len(members))
                )
        resamples.append(count[group_index])
    return resamples


def describe_best_column(
    table: np.ndarray, columns: Sequence[str], positive: np.ndarray, positive_phrase: str
) -> str:
    """Name the column that separates best by itself, with its direction."""
    if not columns:
        return "no number differs between any two images"
    aucs = [compute_auc(column, positive) for column in table.T]
    best = max(range(len(aucs)), key=lambda i: abs(aucs[i] - 0.5))
    direction = "more" if aucs[best] > 0.5 else "less"
    return (
        f"{columns[best]}: {direction} in {positive_phrase} (AUC "
        f"{max(aucs[best], 1 - aucs[best]):.2f})"
    )
