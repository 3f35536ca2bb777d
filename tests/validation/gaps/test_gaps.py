"""Gaps in false alarms have the shares of their photographs, and intervals that cover."""

import numpy as np
import pytest

from data_collection.dataset.manifest import FaceRecord
from validation.gaps.gaps import ColumnGaps, compute_gaps
from validation.gaps.sentences import describe_gaps
from validation.metrics.scored_images import ScoredImages


def make_record(number: int, label: str = "real", **attributes: str) -> FaceRecord:
    return FaceRecord(
        id=str(number), label=label, source="s", file="", status="accepted", attributes=attributes
    )


def compute_column(values, alarms, groups=None) -> ColumnGaps:
    """Return the gaps of the column `tone` of photographs, with some generated images beside."""
    records = [
        make_record(n, **({"tone": value} if value else {})) for n, value in enumerate(values)
    ]
    records += [make_record(-n, "generated", tone="dark", style="oil") for n in range(1, 31)]
    groups = np.arange(len(values)) if groups is None else np.asarray(groups)
    scored = ScoredImages(
        np.concatenate([np.where(alarms, 0.9, 0.1), np.full(30, 0.9)]),
        np.repeat([0, 1], [len(values), 30]),
        np.concatenate([groups, groups.max() + 1 + np.arange(30)]),
        0.5,
    )
    (column,) = compute_gaps(records, scored)
    assert column.column == "tone"  # no photograph has a style
    return column


VALUES = ["dark"] * 60 + ["light"] * 90 + ["medium"] * 50
ALARMS = np.r_[np.arange(60) < 24, np.arange(90) < 3, np.arange(50) < 4]


def test_every_value_is_compared_with_all_others_the_largest_gap_first():
    column = compute_column(VALUES, ALARMS)
    assert [gap.value for gap in column.gaps] == ["dark", "medium", "light"]
    dark = column.gaps[0]
    assert (dark.images, dark.groups) == (60, 60)
    assert dark.false_alarms.value == pytest.approx(0.4)
    assert dark.others.value == pytest.approx(7 / 140)
    assert dark.difference.value == pytest.approx(0.35)
    assert 0.15 < dark.difference.low < 0.25 and 0.45 < dark.difference.high < 0.55
    (sentence, more) = describe_gaps(column)
    assert "dark has 40.0% of 60 photographs, 35.0 points more than the others" in sentence
    assert "light has 3.3% of 90 photographs, 22.1 points fewer" in more


def test_values_with_too_few_photographs_and_photographs_without_a_value_are_counted():
    column = compute_column([*VALUES, *["rare"] * 19, *[""] * 7], np.r_[ALARMS, np.ones(26, bool)])
    assert column.too_few == {"rare": 19} and column.unknown == 7
    assert column.gaps[0].others.value == pytest.approx(26 / 159)  # rare ones are others
    assert describe_gaps(column)[-2:] == [
        "Too few photographs to be compared: rare (19).",
        "7 photographs have no tone.",
    ]
    alone = compute_column(["dark"] * 60 + ["rare"] * 5, np.zeros(65, bool))
    assert alone.gaps == [] and "too few photographs" in describe_gaps(alone)[0]


def test_no_false_alarm_at_all_leaves_a_gap_possible():
    column = compute_column(["dark"] * 30 + ["light"] * 300, np.zeros(330, bool))
    gap = column.gaps[0]
    assert gap.difference.value == 0 and gap.difference.low < 0 and gap.difference.high > 0.05
    assert "gaps of up to" in describe_gaps(column)[0]


def test_photographs_of_one_group_count_as_little_as_one():
    alone = compute_column(VALUES, ALARMS).gaps[0].difference
    groups = np.r_[np.arange(60) // 3, 100 + np.arange(90) // 3, 200 + np.arange(50)]
    alarms = np.r_[np.arange(60) < 24, np.arange(90) < 3, np.arange(50) < 4]
    together = compute_column(VALUES, alarms, groups).gaps[0].difference
    assert together.high - together.low > 1.3 * (alone.high - alone.low)


def test_one_person_with_both_cameras_makes_the_difference_surer():
    generator = np.random.default_rng(0)
    people = np.repeat(generator.random(80) < 0.4, 10)
    cameras = ["phone", "mirror"] * 400
    apart = np.repeat(np.arange(160), 5)
    order = np.argsort(np.tile([0, 1], 400) + 2 * (np.arange(800) // 10), kind="stable")
    both = compute_column(cameras, people, np.arange(800) // 10).gaps[0].difference
    split = compute_column(np.array(cameras)[order], people[order], apart).gaps[0].difference
    assert both.value == split.value == 0
    assert both.high - both.low < 0.7 * (split.high - split.low)


def test_the_intervals_of_a_column_cover_all_differences_together():
    generator = np.random.default_rng(1)
    rates = {"a": 0.05, "b": 0.05, "c": 0.05, "d": 0.15}
    values = np.repeat(list(rates), 50)
    truth = {
        name: rate - np.mean([rates[other] for other in rates if other != name])
        for name, rate in rates.items()
    }
    covered = []
    for _ in range(150):
        alarms = generator.random(200) < np.array([rates[value] for value in values])
        gaps = compute_column(values, alarms).gaps
        covered.append(
            all(gap.difference.low <= truth[gap.value] <= gap.difference.high for gap in gaps)
        )
    assert np.mean(covered) >= 0.92  # 95% less two standard errors of 150 draws
