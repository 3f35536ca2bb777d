"""Error rates with the abstention band: images that get "can't tell", and errors in the rest."""

from dataclasses import dataclass, replace

import numpy as np

from data_collection.dataset.manifest import LABELS
from training.cuts.verdicts import ABSTAIN
from validation.metrics.estimates import UNKNOWN_ESTIMATE, Estimate
from validation.metrics.intervals import CONFIDENCE_LEVEL
from validation.metrics.scored_images import ScoredImages
from validation.metrics.shares import compute_share_interval


@dataclass(frozen=True, kw_only=True)
class AbstentionStatistics:
    """Costs and benefits of the abstention band for one class, or for all images.

    Attributes:
        label: "real", "generated", or "all".
        abstained: number of images that get "can't tell".
        wrong: number of wrong decisions among the others.
        error: share of wrong decisions, with its interval over groups; NaN if all abstain.
    """

    label: str
    images: int
    abstained: int
    wrong: int
    error: Estimate


def compute_abstention_statistics(scored: ScoredImages) -> list[AbstentionStatistics]:
    decided, labels = scored.answers, np.array(LABELS)[scored.labels]
    statistics = []
    for label in (*LABELS, "all"):
        included = np.full(len(decided), True) if label == "all" else labels == label
        abstained = included & (decided == ABSTAIN)
        answered = included & ~abstained
        wrong = answered & (decided != labels)
        statistics.append(
            AbstentionStatistics(
                label=label,
                images=int(included.sum()),
                abstained=int(abstained.sum()),
                wrong=int(wrong.sum()),
                error=_estimate_error_rate(wrong, answered, scored),
            )
        )
    return statistics


def _estimate_error_rate(wrong: np.ndarray, answered: np.ndarray, scored: ScoredImages) -> Estimate:
    if not answered.any():
        return replace(UNKNOWN_ESTIMATE, reason="nothing was answered")
    return Estimate(
        float(wrong[answered].mean()),
        *compute_share_interval(wrong[answered], scored.groups[answered], CONFIDENCE_LEVEL),
    )
