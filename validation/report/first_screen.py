"""The four figures and the state that a report begins with."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.cuts.verdicts import ABSTAIN, VERDICTS
from validation.metrics.abstention import AbstentionStatistics
from validation.metrics.baseline_comparison import BaselineComparison
from validation.metrics.comparison import DetectorResult
from validation.metrics.estimates import Estimate
from validation.metrics.metrics import FALSE_ALARMS, FOUND
from validation.metrics.scored_images import ScoredImages

MIN_SUMMARY_GROUPS_PER_CLASS = 30
"""With fewer groups in a class, a report says that they are too few."""

MIN_USEFUL_RECALL = 0.5
MAX_USEFUL_FALSE_ALARMS = 0.2


@dataclass(frozen=True)
class Tile:
    """One figure.

    Attributes:
        value: in words, such as "93.5%".
        interval: of 95%, or why there is none.
        text: the name of the figure.
    """

    value: str
    interval: str
    text: str


@dataclass(frozen=True)
class State:
    """The judgement on a detector in a word or three.

    Attributes:
        tone: colour, as page.css.jinja names it: good, doubt, bad or unknown.
        reason: why, in a sentence.
    """

    words: str
    tone: str
    reason: str


def build_tiles(result: DetectorResult, abstention: AbstentionStatistics) -> list[Tile]:
    """Return the figures; `abstention` is of all images."""
    auc = result.estimates["ROC AUC"]
    return [
        Tile(
            "n/a" if math.isnan(auc.value) else f"{auc.value:.3f}",
            auc.interval.strip("()"),
            "ROC AUC: 1 is perfect, .5 is chance level",
        ),
        _build_share_tile(result.estimates[FOUND], "of generated images are called generated"),
        _build_share_tile(result.estimates[FALSE_ALARMS], "of photographs are called generated"),
        Tile(
            f"{abstention.abstained / abstention.images:.1%}",
            f"{abstention.abstained:,} of {abstention.images:,}",
            f"of images are {VERDICTS[ABSTAIN].predicate}",
        ),
    ]


def _build_share_tile(estimate: Estimate, text: str) -> Tile:
    if math.isnan(estimate.value):
        return Tile("n/a", "none here", text)
    return Tile(f"{estimate.value:.1%}", f"{estimate.low:.1%} to {estimate.high:.1%}", text)


def choose_state(
    banner: str, result: DetectorResult, comparisons: Sequence[BaselineComparison]
) -> State:
    """Return the first of these that applies: a warning stands over the report, one class is
    missing, the images are too few, the answers are of little use, and how it does beside its
    baselines."""
    found, false_alarms = result.estimates[FOUND].value, result.estimates[FALSE_ALARMS].value
    not_better = [f"“{each.name}”" for each in comparisons if each.outcome != "better"]
    if banner:
        return State("red", "bad", "The warning above decides what the figures are worth.")
    if len(np.unique(result.scored.labels)) < 2:
        return State("one class", "unknown", "Images of the other class are needed to say more.")
    if count_groups_of_smaller_class(result.scored) < MIN_SUMMARY_GROUPS_PER_CLASS:
        return State(
            "too few",
            "unknown",
            f"Fewer than {MIN_SUMMARY_GROUPS_PER_CLASS} independent images in a class say little.",
        )
    if is_of_little_use(found, false_alarms):
        return State("weak", "bad", f"It {' and '.join(_list_weaknesses(found, false_alarms))}.")
    if not comparisons:
        return State("no baseline", "unknown", "No baseline was scored beside it.")
    if not_better:
        return State(
            "not better than its baselines",
            "doubt",
            f"Its ROC AUC is not clearly above that of {' and '.join(not_better)}.",
        )
    return State("beats its baselines", "good", "Its ROC AUC is clearly above theirs.")


def is_of_little_use(found: float, false_alarms: float) -> bool:
    """Return whether these shares of both classes make the answers useless."""
    return bool(_list_weaknesses(found, false_alarms))


def _list_weaknesses(found: float, false_alarms: float) -> list[str]:
    weaknesses = []
    if found < MIN_USEFUL_RECALL:
        weaknesses.append(f"finds fewer than {MIN_USEFUL_RECALL:.0%} of the generated images")
    if false_alarms > MAX_USEFUL_FALSE_ALARMS:
        weaknesses.append(
            f"calls more than {MAX_USEFUL_FALSE_ALARMS:.0%} of the photographs generated"
        )
    return weaknesses


def count_groups_of_smaller_class(scored: ScoredImages) -> int:
    """Count the groups of the class that has fewer, of the classes that are there."""
    return min(
        len(np.unique(scored.groups[scored.labels == label]))
        for label in set(scored.labels.tolist())
    )
