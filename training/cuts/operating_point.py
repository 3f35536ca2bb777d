"""Turn probabilities into one of three answers, with the two cuts of an operating point."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from runtime import console
from training.cuts.cut import Cut, OwnCut, format_share
from training.cuts.verdicts import ABSTAIN, GENERATED, REAL, Verdict

CutOrigin = Literal["folds", "sources left out", "validation images"]
"""Where the scores that set a cut come from.

"folds": heads of the same configuration that were not trained on the image's group, in folds of
the train and validation images; "sources left out": those that were not trained on its source,
where their cut is the higher one; "validation images": the detector itself.
"""


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """The rule from probabilities to one of three answers.

    Attributes:
        false_alarm_cut: photographs above it would be false alarms.
        miss_cut: generated images below it would be missed.
    """

    false_alarm_cut: Cut
    miss_cut: Cut

    @property
    def generated_above(self) -> float | None:
        """The larger of both cuts; None if there is no false-alarm cut, so no such answer."""
        if self.false_alarm_cut.limit is None:
            return None
        return max(self.false_alarm_cut.limit, self.miss_cut.limit or 0.0)

    @property
    def real_below(self) -> float | None:
        """The smaller of both cuts; None if there is no miss cut, so no such answer."""
        if self.miss_cut.limit is None:
            return None
        return min(self.miss_cut.limit, self.false_alarm_cut.limit or 1.0)

    def decide(self, probability: float, low: float, high: float) -> Verdict:
        """Return the verdict on an image.

        Args:
            probability: of *generated*; the mean of the logits at all qualities.
            low, high: the lowest and highest of these qualities; if they lie on both sides of a
                cut, the image gets no answer.
        """
        if self.generated_above is not None and min(probability, low) >= self.generated_above:
            return GENERATED
        if self.real_below is not None and max(probability, high) < self.real_below:
            return REAL
        return ABSTAIN

    def describe(self) -> str:
        """Return the limits of the verdicts in a sentence."""
        parts = [
            f"never {GENERATED}"
            if self.generated_above is None
            else f"{GENERATED} from {self.generated_above:.3f}",
            f"never {REAL}" if self.real_below is None else f"{REAL} under {self.real_below:.3f}",
        ]
        remaining = "otherwise" if None in self.limits else "between"
        return f"{', '.join(parts)}, {ABSTAIN} {remaining}."

    @property
    def own_calibration(self) -> str:
        """Name of the user's own calibration that set the false-alarm cut; empty without one."""
        cut = self.false_alarm_cut
        return cut.calibration if isinstance(cut, OwnCut) else ""

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """(real_below, generated_above)."""
        return self.real_below, self.generated_above


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Everything that turns the logits of a detector into answers.

    Attributes:
        temperature: divides the logits inside the detector.
        threshold: one point of the ROC curve, for metrics that need one: midway between the
            classes where the validation images separate, else the lowest that at most
            `false_alarms` of the validation photographs reach.
        false_alarms, misses: targets of the cuts that are used unless others are chosen.
        false_alarm_cuts, miss_cuts: one for each target, the largest target first.
        origin: of the scores that set the false-alarm cuts.
    """

    temperature: float
    threshold: float
    false_alarms: float
    misses: float
    false_alarm_cuts: tuple[Cut, ...]
    miss_cuts: tuple[Cut, ...]
    origin: CutOrigin

    def select_point(
        self, false_alarms: float | None = None, misses: float | None = None
    ) -> OperatingPoint:
        """Return the operating point for these targets; None for the detector's own.

        Raises:
            PlainError: a target that was asked for has no cut.
        """
        point = OperatingPoint(
            false_alarm_cut=_find_cut(self.false_alarm_cuts, false_alarms or self.false_alarms),
            miss_cut=_find_cut(self.miss_cuts, misses or self.misses),
        )
        for target, cut, images in (
            (false_alarms, point.false_alarm_cut, "photographs"),
            (misses, point.miss_cut, "generated images"),
        ):
            if target and cut.limit is None:
                raise console.PlainError(
                    f"The detector has {cut.describe_missing(images)}. Choose a larger share."
                )
        return point

    @property
    def point(self) -> OperatingPoint:
        """The operating point that is used unless another is chosen."""
        return self.select_point()


def _find_cut(cuts: Sequence[Cut], target: float) -> Cut:
    """Raises PlainError if there is no cut for the target."""
    for cut in cuts:
        if math.isclose(cut.target, target):
            return cut
    offered = ", ".join(format_share(cut.target) for cut in cuts)
    raise console.PlainError(
        f"The detector has no cut at {format_share(target)}. Choose one of {offered}."
    )
