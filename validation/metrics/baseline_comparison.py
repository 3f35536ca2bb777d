"""Compare a detector's ROC AUC with those of its baselines, on the same groups of images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from validation.metrics.comparison import DetectorResult
from validation.metrics.paired_differences import estimate_paired_differences

Outcome = Literal["better", "worse", "unclear"]


@dataclass(frozen=True)
class BaselineComparison:
    """A detector against one baseline.

    Attributes:
        name, auc: of the baseline.
        outcome: of the detector; "unclear" if the 95% interval of the difference includes 0.
    """

    name: str
    auc: float
    outcome: Outcome


def compare_with_baselines(results: Sequence[DetectorResult]) -> list[BaselineComparison]:
    """Compare the first result with each of the others."""
    first, *others = results
    return [
        BaselineComparison(
            other.name, other.estimates["ROC AUC"].value, _find_outcome(first, other)
        )
        for other in others
    ]


def _find_outcome(first: DetectorResult, other: DetectorResult) -> Outcome:
    if np.isnan(first.estimates["ROC AUC"].value):
        return "unclear"  # of one class alone
    pair = estimate_paired_differences(first.scored, other.scored, ["ROC AUC"])["ROC AUC"]
    if pair.difference.low > 0:
        return "better"
    return "worse" if pair.difference.high < 0 else "unclear"
