"""Error rates with the abstention band: how many images get "can't tell", and how many of the
others are wrong."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data_collection.dataset.manifest import LABELS
from training.calibration import ABSTAIN
from validation.metrics.estimates import Estimate
from validation.metrics.intervals import CONFIDENCE_LEVEL, compute_exact_interval
from validation.metrics.scored_images import ScoredImages


@dataclass(frozen=True)
class AbstentionStatistics:
    """Costs and benefits of the abstention band.

    Attributes:
        label: "real", "generated", or "all".
        abstained: number of `images` that get "can't tell".
        wrong: number of wrong answers among the others.
        error: share of wrong answers, with its exact interval over groups; NaN without answers.
    """

    label: str
    images: int
    abstained: int
    wrong: int
    error: Estimate


def compute_abstention_statistics(
    scored: ScoredImages, verdicts: Sequence[str]
) -> list[AbstentionStatistics]:
    said, names = np.array(verdicts), np.array(LABELS)[scored.labels]
    rows = []
    for label in (*LABELS, "all"):
        mine = np.full(len(said), True) if label == "all" else names == label
        abstained = mine & (said == ABSTAIN)
        answered = mine & ~abstained
        wrong = answered & (said != names)
        rows.append(
            AbstentionStatistics(
                label,
                int(mine.sum()),
                int(abstained.sum()),
                int(wrong.sum()),
                _estimate_error_rate(wrong, answered, scored),
            )
        )
    return rows


def _estimate_error_rate(wrong: np.ndarray, answered: np.ndarray, scored: ScoredImages) -> Estimate:
    if not answered.any():
        return Estimate(np.nan, np.nan, np.nan)
    share = float(wrong.sum() / answered.sum())
    return Estimate(
        share,
        *compute_exact_interval(share, len(np.unique(scored.groups[answered])), CONFIDENCE_LEVEL),
    )
