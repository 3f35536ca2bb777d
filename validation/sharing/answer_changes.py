"""Count the images whose answer changes once they are passed on, by direction."""

from dataclasses import dataclass

import numpy as np

from training.cuts.verdicts import ABSTAIN, GENERATED, REAL
from validation.metrics.estimates import Estimate
from validation.metrics.intervals import CONFIDENCE_LEVEL
from validation.metrics.shares import compute_share_interval

NO_FACE = "no face"
"""In the place of an answer, where a detector that needs exactly one face finds none or several."""


@dataclass(frozen=True, kw_only=True)
class AnswerChanges:
    """Shares of all images whose answer changes, each with its 95% interval over groups.

    Attributes:
        any: whatever the direction; the sum of the others.
        to_abstain, from_abstain: from another answer to "can't tell", and back.
        lost_face: images that no longer show exactly one face, and so have no answer.
    """

    any: Estimate
    generated_to_real: Estimate
    real_to_generated: Estimate
    to_abstain: Estimate
    from_abstain: Estimate
    lost_face: Estimate


def count_answer_changes(
    before: np.ndarray, after: np.ndarray, groups: np.ndarray
) -> AnswerChanges:
    """Compare the answers to the same images before and after; NO_FACE in `after` is none.

    Args:
        before, after: str (images,).
    """

    def estimate(is_counted: np.ndarray) -> Estimate:
        interval = compute_share_interval(is_counted, groups, CONFIDENCE_LEVEL)
        return Estimate(float(is_counted.mean()), *interval)

    lost = after == NO_FACE
    return AnswerChanges(
        any=estimate(before != after),
        generated_to_real=estimate((before == GENERATED) & (after == REAL)),
        real_to_generated=estimate((before == REAL) & (after == GENERATED)),
        to_abstain=estimate((before != ABSTAIN) & (after == ABSTAIN)),
        from_abstain=estimate((before == ABSTAIN) & (after != ABSTAIN) & ~lost),
        lost_face=estimate(lost),
    )
