"""Gaps in false alarms: of the photographs with one value of a column (skin tone, age, camera),
against those with any other.

Each value is compared with all others, because the highest of many shares minus the lowest is above
0 by chance alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data_collection.dataset.manifest import FaceRecord
from training.cuts.verdicts import GENERATED
from validation.metrics.estimates import Estimate
from validation.metrics.intervals import CONFIDENCE_LEVEL, combine_intervals
from validation.metrics.scored_images import ScoredImages
from validation.metrics.shares import compute_share_interval

MIN_GAP_GROUPS = 20
"""Values with fewer independent photographs are counted as too few, and so are the others of a
value."""


@dataclass(frozen=True, kw_only=True)
class ValueGap:
    """False alarms of the photographs with a value, and with any other value of the column.

    Attributes:
        images, groups: number of photographs with the value, and of their groups.
        false_alarms, others: shares that are called generated, with 95% intervals.
        difference: the first minus the second; its interval holds for all values together.
    """

    value: str
    images: int
    groups: int
    false_alarms: Estimate
    others: Estimate
    difference: Estimate

    @property
    def reach(self) -> float:
        """The largest size of the difference that its interval leaves."""
        return max(-self.difference.low, self.difference.high)

    @property
    def is_clear(self) -> bool:
        return self.difference.low > 0 or self.difference.high < 0


@dataclass(frozen=True, kw_only=True)
class ColumnGaps:
    """The gaps of one column.

    Attributes:
        gaps: of the values with enough photographs, the largest difference first.
        too_few: number of photographs of every other value.
        unknown: number of photographs without a value.
    """

    column: str
    gaps: list[ValueGap]
    too_few: dict[str, int]
    unknown: int

    @property
    def clear(self) -> list[ValueGap]:
        return [gap for gap in self.gaps if gap.is_clear]


def compute_gaps(records: Sequence[FaceRecord], scored: ScoredImages) -> list[ColumnGaps]:
    """Return the gaps of every attribute that photographs have, in the order of their names."""
    real = np.flatnonzero(scored.labels == 0)
    photographs = [records[index] for index in real]
    alarms, groups = scored.answers[real] == GENERATED, scored.groups[real]
    columns = sorted({name for record in photographs for name in record.attributes})
    return [
        _compute_column_gaps(
            column,
            np.array([record.attributes.get(column, "") for record in photographs]),
            alarms,
            groups,
        )
        for column in columns
    ]


def _compute_column_gaps(
    column: str, values: np.ndarray, alarms: np.ndarray, groups: np.ndarray
) -> ColumnGaps:
    known = values != ""
    values, alarms, groups = values[known], alarms[known], groups[known]
    names, counts = np.unique(values, return_counts=True)
    members = {str(name): values == name for name in names}
    compared = [
        name
        for name, member in members.items()
        if min(len(np.unique(groups[part])) for part in (member, ~member)) >= MIN_GAP_GROUPS
    ]
    # Of two values, one difference is the other turned round.
    n_differences = max(1, len(compared) - (len(names) == 2))
    confidence = 1 - (1 - CONFIDENCE_LEVEL) / n_differences
    gaps = [_compute_gap(name, members[name], alarms, groups, confidence) for name in compared]
    return ColumnGaps(
        column=column,
        gaps=sorted(gaps, key=lambda gap: -gap.difference.value),
        too_few={
            str(name): int(count)
            for name, count in zip(names, counts, strict=True)
            if str(name) not in compared
        },
        unknown=int(np.sum(~known)),
    )


def _compute_gap(
    name: str, member: np.ndarray, alarms: np.ndarray, groups: np.ndarray, confidence: float
) -> ValueGap:
    parts = member, ~member
    shares = [float(alarms[part].mean()) for part in parts]
    own, others = (
        Estimate(share, *compute_share_interval(alarms[part], groups[part], CONFIDENCE_LEVEL))
        for share, part in zip(shares, parts, strict=True)
    )
    limits = [compute_share_interval(alarms[part], groups[part], confidence) for part in parts]
    difference = shares[0] - shares[1]
    interval = combine_intervals(
        difference,
        (shares[0] - limits[0][0], limits[1][1] - shares[1]),
        (limits[0][1] - shares[0], shares[1] - limits[1][0]),
        -_correlate_shares(member, alarms, groups),
    )
    return ValueGap(
        value=name,
        images=int(member.sum()),
        groups=len(np.unique(groups[member])),
        false_alarms=own,
        others=others,
        difference=Estimate(difference, *interval),
    )


def _correlate_shares(member: np.ndarray, alarms: np.ndarray, groups: np.ndarray) -> float:
    """Return the correlation of both shares when groups are resampled: 0 where no group has
    photographs on both sides, as one person taken with two cameras has."""
    numbers = np.unique(groups, return_inverse=True)[1]
    sums = []
    for part in (member, ~member):
        deviations = np.where(part, alarms - alarms[part].mean(), 0.0)
        sums.append(np.bincount(numbers, deviations))
    scale = np.sqrt(np.sum(sums[0] ** 2) * np.sum(sums[1] ** 2))
    return float(np.sum(sums[0] * sums[1]) / scale) if scale > 0 else 0.0
