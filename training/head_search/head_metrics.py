"""Compute metrics of a few hundred logits, thousands of times in a search."""

import numpy as np


def compute_weighted_auc(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """Return the area under the ROC curve; ties count half. NaN without one of the classes.

    scikit-learn takes fifty times as long for a few hundred images: a quarter of a search.
    """
    order = np.argsort(scores)
    ties = np.flatnonzero(np.diff(scores[order], prepend=np.nan))
    generated, real = (
        np.add.reduceat((weights * is_class)[order], ties) for is_class in (labels, 1 - labels)
    )
    below = np.cumsum(real) - real / 2
    total = generated.sum() * real.sum()
    return float((generated * below).sum() / total) if total else float("nan")
