"""Score tables of features in grouped cross-validation; AUC of the scores, with an interval."""

import numpy as np

CROSS_VALIDATION_FOLDS, BOOTSTRAP_RESAMPLES = 5, 300


def compute_out_of_fold_scores(
    table: np.ndarray, positive: np.ndarray, groups: np.ndarray, seed: int, with_tree: bool = True
) -> list[np.ndarray]:
    """Return scores by logistic regression and by trees, each of shape (images,), from models
    trained without the image's group.

    Args:
        with_tree: False for logistic regression alone; trees take minutes on thousands of columns.
    """
    import threadpoolctl
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if not table.shape[1]:
        return [np.zeros(len(positive))]
    models = [make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))]
    if with_tree:
        models.append(
            HistGradientBoostingClassifier(
                max_iter=60, max_leaf_nodes=7, early_stopping=False, random_state=seed
            )
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


def compute_auc_interval(
    score: np.ndarray, positive: np.ndarray, groups: np.ndarray, seed: int
) -> tuple[float, float]:
    """Return the 95% interval of an AUC, by a bootstrap of groups within class."""
    resamples = resample_groups(groups, positive, seed)
    aucs = [compute_auc(score, positive, weights) for weights in resamples]
    low, high = np.percentile(aucs, (2.5, 97.5))
    return float(low), float(high)


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
