"""Set threshold and cuts of a detector, on its validation images or on scores of its refits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.calibration import sigmoid
from training.cuts.cut import CUT_TARGETS, Cut, choose_cut, mirror_cut
from training.cuts.operating_point import Calibration, CutOrigin


@dataclass(frozen=True, kw_only=True)
class CutTargets:
    """Targets of the cuts that are used unless others are chosen.

    Attributes:
        false_alarms: largest share of photographs that may be called generated, on average.
        misses: largest share of generated images that may be called real, on average.
    """

    false_alarms: float
    misses: float

    def list_false_alarms(self) -> list[float]:
        """Return the targets of all false-alarm cuts, the largest first."""
        return sorted({*CUT_TARGETS, self.false_alarms}, reverse=True)

    def list_misses(self) -> list[float]:
        """Return the targets of all miss cuts, the largest first."""
        return sorted({*CUT_TARGETS, self.misses}, reverse=True)


@dataclass(frozen=True, kw_only=True)
class CutScores:
    """Calibrated logits of images that set cuts.

    An image is called generated if its logits at all qualities lie above the cut, and real if all
    lie below. So its lowest logit sets the false-alarm cut, and its highest the miss cut.

    Attributes:
        logits: divided by the temperature, shape (images, qualities).
        labels: 1 for generated, shape (images,).
        groups: images that share one are not independent, shape (images,).
    """

    logits: np.ndarray
    labels: np.ndarray
    groups: np.ndarray

    def choose_false_alarm_cuts(self, targets: Sequence[float]) -> list[Cut]:
        """Choose a cut for each target that so many photographs at most lie above."""
        real = self.labels == 0
        lowest = self.logits[real].min(axis=1)
        return [choose_cut(lowest, self.groups[real], target) for target in targets]

    def choose_miss_cuts(self, targets: Sequence[float]) -> list[Cut]:
        """Choose a cut for each target that so many generated images at most lie below."""
        generated = self.labels == 1
        highest = self.logits[generated].max(axis=1)
        return [
            mirror_cut(choose_cut(-highest, self.groups[generated], target)) for target in targets
        ]


def calibrate(
    scores: CutScores,
    threshold: float,
    targets: CutTargets,
    origin: CutOrigin,
    temperature: float = 1.0,
) -> Calibration:
    """Return the calibration whose cuts these scores set."""
    return Calibration(
        temperature=temperature,
        threshold=threshold,
        false_alarms=targets.false_alarms,
        misses=targets.misses,
        false_alarm_cuts=tuple(scores.choose_false_alarm_cuts(targets.list_false_alarms())),
        miss_cuts=tuple(scores.choose_miss_cuts(targets.list_misses())),
        origin=origin,
    )


def calibrate_on_validation(
    logits: np.ndarray,
    labels: np.ndarray,
    groups: Sequence[str],
    targets: CutTargets,
    temperature: float = 1.0,
) -> Calibration:
    """Set threshold and cuts on the scores of the validation images.

    Args:
        logits: calibrated, shape (images, qualities).
        labels, groups: of the same images; labels are 1 for generated.
    """
    scores = CutScores(logits=logits, labels=labels, groups=np.asarray(groups))
    threshold = choose_threshold(sigmoid(logits.mean(axis=1)), labels, targets.false_alarms)
    return calibrate(scores, threshold, targets, "validation images", temperature)


def choose_threshold(probabilities: np.ndarray, labels: np.ndarray, share: float) -> float:
    """Return the point midway between the classes if they separate, else the lowest point that at
    most `share` of the photographs reach."""
    real, generated = probabilities[labels == 0], probabilities[labels == 1]
    if real.max() < generated.min():
        return float((real.max() + generated.min()) / 2)
    distinct = np.sort(np.unique(real))
    share_above = np.array([np.mean(real >= score) for score in distinct])
    allowed = np.flatnonzero(share_above <= share)
    if not len(allowed):
        return float(min(1.0, (distinct[-1] + 1) / 2))
    first = allowed[0]
    return float((distinct[first] + distinct[first - 1]) / 2) if first else float(distinct[0])
