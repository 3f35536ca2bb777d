"""Probes: how well a few numbers of each image tell two classes apart, with an interval and a
verdict."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data_collection.audit.file_differences import (
    ABSENT_FACT_VALUES,
    FILE_FACT_PHRASES,
    MIN_EXCLUSIVE_SHARE,
)
from data_collection.audit.file_features import FeatureValues

MAX_CHANCE_AUC, WARNING_AUC = 0.60, 0.70
"""A Tier 1 AUC must not surely lie above the first; with 80 groups of 10 images and labels dealt at
random, 95% of the AUCs lie under .558. Above the second, Tier 2 is worth a warning."""

MIN_GROUPS_FOR_GREEN, MIN_IMAGES_FOR_GREEN = 20, 200
"""Of each class; with less, nothing is ever GREEN."""

CROSS_VALIDATION_FOLDS, BOOTSTRAP_RESAMPLES = 5, 300

PROBE_TIERS = {
    "container": 1,
    "processing history": 1,
    "file size": 2,
    "colour": 2,
    "thumbnail": 2,
    "border": 2,
}
"""Tier of each probe: 1 can be no evidence of anything, 2 is a matter of what was collected, 3 (all
others) may be a trace."""


@dataclass(frozen=True)
class ProbeResult:
    """One group of numbers and how well it tells the classes apart, in 5-fold cross-validation with
    groups kept whole.

    Attributes:
        name: of the group of numbers.
        tier: 1, 2 or 3, see TIERS.
        auc: the larger of logistic regression's and of a small gradient-boosted tree's.
        low, high: its 95% interval, by a bootstrap of groups within class.
        best_single: the number that separates best by itself, with its direction, in words.
        verdict: "GREEN", "AMBER", "RED", "WARN", "reported" or "too few".
    """

    name: str
    tier: int
    auc: float
    low: float
    high: float
    best_single: str
    verdict: str


def evaluate_probe(
    name: str,
    numbers: Sequence[FeatureValues],
    positive: np.ndarray,
    groups: np.ndarray,
    whose: str,
    seed: int,
) -> ProbeResult:
    """Judges one group of numbers; `positive` (bool) and `groups` have shape (images,)."""
    tier = 1 if name not in PROBE_TIERS and "history" in name else PROBE_TIERS.get(name, 3)
    fewest = min((len(set(groups[positive == side])) for side in (False, True)), default=0)
    if fewest < 2 * CROSS_VALIDATION_FOLDS:
        return ProbeResult(name, tier, 0.5, 0.0, 1.0, "", "too few" if tier == 1 else "reported")
    table, columns = build_feature_table(numbers)
    scores = compute_out_of_fold_scores(table, positive, groups, seed)
    counts = resample_groups(groups, positive, seed)
    best = max(scores, key=lambda score: compute_auc(score, positive))
    low, high = np.percentile(
        [compute_auc(best, positive, weights) for weights in counts], (2.5, 97.5)
    )
    enough = (
        fewest >= MIN_GROUPS_FOR_GREEN
        and min(positive.sum(), (~positive).sum()) >= MIN_IMAGES_FOR_GREEN
    )
    return ProbeResult(
        name,
        tier,
        round(compute_auc(best, positive), 4),
        round(float(low), 4),
        round(float(high), 4),
        describe_best_column(table, columns, positive, whose),
        decide_probe_status(tier, low, high, enough),
    )


def decide_probe_status(tier: int, low: float, high: float, enough: bool) -> str:
    """Little data can show that something is wrong, never that nothing is."""
    if tier > 1:
        return "WARN" if tier == 2 and low > WARNING_AUC else "reported"
    if low > MAX_CHANCE_AUC:
        return "RED"
    return "too few" if not enough else "GREEN" if high <= MAX_CHANCE_AUC else "AMBER"


def build_feature_table(numbers: Sequence[FeatureValues]) -> tuple[np.ndarray, list[str]]:
    """float64, shape (images, columns), and what the columns mean; categories become one column per
    value."""
    columns: dict[str, list[float]] = {}
    for name in numbers[0]:
        values = [one[name] for one in numbers]
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
        len(columns), len(numbers)
    ).T, list(columns)


def compute_out_of_fold_scores(
    table: np.ndarray, positive: np.ndarray, groups: np.ndarray, seed: int
) -> list[np.ndarray]:
    """Scores of both classifiers, each image's from models that saw nothing of its group; each of
    shape (images,)."""
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
    with threadpoolctl.threadpool_limits(
        1
    ):  # on tables this small a second thread only waits for the first
        for train, test in folds.split(table, positive, groups):
            # A fold with more of one class is scored by models that saw less of it; without the
            # models' base rate taken out, chance would lie under .5. (Class weights do it too, but
            # make the tree's binning twenty times slower.)
            seen = positive[train].mean()
            for score, model in zip(scores, models, strict=True):
                score[test] = model.fit(table[train], positive[train]).decision_function(
                    table[test]
                ) - np.log(seen / (1 - seen))
    return scores


def compute_auc(
    score: np.ndarray, positive: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """Area under the ROC curve, ties averaged; .5 where a class has no weight."""
    weights = np.ones(len(score)) if weights is None else weights
    _, place = np.unique(score, return_inverse=True)
    above, below = (
        np.bincount(place, weights * side, minlength=place.max() + 1)
        for side in (positive, ~positive)
    )
    pairs = above.sum() * below.sum()
    return float(above @ (np.cumsum(below) - below / 2) / pairs) if pairs else 0.5


def resample_groups(groups: np.ndarray, positive: np.ndarray, seed: int) -> list[np.ndarray]:
    """RESAMPLES draws of whole groups, with replacement, within real, generated and mixed ones: a
    weight per image."""
    _, place = np.unique(groups, return_inverse=True)
    has = [np.bincount(place, side) > 0 for side in (positive, ~positive)]
    strata = [
        np.flatnonzero(part) for part in (has[0] & has[1], has[0] & ~has[1], ~has[0] & has[1])
    ]
    draw, drawn = np.random.default_rng(seed), []
    for _ in range(BOOTSTRAP_RESAMPLES):
        count = np.zeros(len(has[0]))
        for members in strata:
            if len(members):
                count[members] = draw.multinomial(
                    len(members), np.full(len(members), 1 / len(members))
                )
        drawn.append(count[place])
    return drawn


def describe_best_column(
    table: np.ndarray, columns: Sequence[str], positive: np.ndarray, whose: str
) -> str:
    """The column that separates best by itself, in words."""
    if not columns:
        return "no number differs between any two images"
    alone = [compute_auc(column, positive) for column in table.T]
    best = max(range(len(alone)), key=lambda i: abs(alone[i] - 0.5))
    direction = "more" if alone[best] > 0.5 else "less"
    return f"{columns[best]}: {direction} in {whose} (AUC {max(alone[best], 1 - alone[best]):.2f})"
