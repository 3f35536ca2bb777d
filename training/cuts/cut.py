"""Set a cut that at most a target share of a class crosses, with a correction for few groups."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

CUT_TARGETS = (0.05, 0.01, 0.005)
"""Shares that every detector gets cuts for, beside those of its own settings."""

CUT_MARGIN_LOGITS = 1e-3
"""A cut lies so far beyond the last score that may not cross it: more than ONNX Runtime and the
cached features differ by."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A limit on the probability of *generated*, for one class and one target.

    Attributes:
        target: largest share of the class, on average, that may cross the limit.
        limit: the probability; None if there are too few groups for the target.
        groups: number of groups of images of the class that set it.
        expected, low, high: the share that crosses it among images like these: its mean over data
            sets of this size, and the 5% and 95% quantiles; 0 without a limit.
    """

    target: float
    limit: float | None = None
    groups: int = 0
    expected: float = 0.0
    low: float = 0.0
    high: float = 0.0

    def describe_share(self) -> str:
        """Return the share to expect in words."""
        return (
            f"on average {format_share(self.expected)} (at most {format_share(self.target)}), nine "
            f"times in ten between {format_share(self.low)} and {format_share(self.high)}"
        )

    def describe_missing(self, images: str) -> str:
        """Return why there is no limit, where `images` names the class in the plural."""
        return (
            f"no cut at {format_share(self.target)}: {count_needed_groups(self.target)} groups of "
            f"{images} needed, {self.groups} found"
        )


@dataclass(frozen=True, kw_only=True)
class OwnCut(Cut):
    """A false-alarm cut that photographs of a user's own set, in place of the detector's.

    Attributes:
        calibration: name of the calibration.
        photographs: number of photographs that set it.
    """

    calibration: str
    photographs: int


def format_share(share: float) -> str:
    """Format a share in percent with one decimal, or none where it is a whole number."""
    return f"{100 * share:.1f}".removesuffix(".0") + "%"


def count_needed_groups(target: float) -> int:
    """Return the number of groups from which on a cut for this target exists."""
    return math.ceil(1 / target - 1e-9) - 1


def choose_cut(
    logits: np.ndarray,
    groups: Sequence[str],
    target: float,
    weights: np.ndarray | None = None,
) -> Cut:
    """Choose the lowest cut that images of a new group cross with at most the target probability.

    It is the split-conformal quantile in which the images of a group share one weight
    (hierarchical conformal prediction, Lee, Barber and Willett 2023): the weight at or above the
    cut, plus one for the new group, is at most `target` of the groups plus one. That holds for
    groups drawn alike and scores that had no part in training. The share that crosses the cut is
    then a Beta variable if every group is one image, and spread less otherwise.

    Args:
        logits: of the images of one class, such that a high one is a wrong answer, shape (n,).
        weights: of the images, in place of equal weights of groups; they must sum to the number
            of groups.
    """
    from scipy.stats import beta  # detection imports this module and does not need scipy

    _, index, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    n_groups = len(sizes)
    budget = target * (n_groups + 1) - 1 + 1e-9
    if budget < 0:
        return Cut(target=target, groups=n_groups)
    weights = 1 / sizes[index] if weights is None else weights
    scores, score_index = np.unique(-logits, return_inverse=True)
    weight_at_or_above = np.cumsum(np.bincount(score_index, weights))
    highest_not_crossing = -scores[np.argmax(weight_at_or_above > budget)]
    rank = math.floor(budget + 1)
    share = beta(rank, n_groups + 1 - rank)
    return Cut(
        target=target,
        limit=float(1 / (1 + np.exp(-(highest_not_crossing + CUT_MARGIN_LOGITS)))),
        groups=n_groups,
        expected=float(share.mean()),
        low=float(share.ppf(0.05)),
        high=float(share.ppf(0.95)),
    )


def mirror_cut(cut: Cut) -> Cut:
    """Return a cut of mirrored logits as one of the logits themselves."""
    return cut if cut.limit is None else replace(cut, limit=1 - cut.limit)
