"""Subgroups have the right counts, small ones are not shown, and abstention has its price."""

import numpy as np
import pytest

from data_collection.dataset.manifest import FaceRecord
from training.cuts.cut import Cut
from training.cuts.operating_point import OperatingPoint
from validation.metrics.abstention import compute_abstention_statistics
from validation.metrics.breakdowns import compute_breakdowns
from validation.metrics.reliability import compute_reliability_bins
from validation.metrics.scored_images import ScoredImages


def make_records(label: str, source: str, count: int, **fields) -> list[FaceRecord]:
    defaults = {"format": "PNG", "width": 512, "height": 600}
    return [
        FaceRecord(
            id=f"{source}{n}",
            label=label,
            source=source,
            file="",
            status="accepted",
            **(defaults | fields),
        )
        for n in range(count)
    ]


RECORDS = [
    *make_records("real", "kaggle", 30, format="JPEG", quality=90),
    *make_records("real", "own", 20, format="JPEG", quality=70),
    *make_records("generated", "sd", 25, generator="sd-1.5", attributes={"age": "old"}),
    *make_records("generated", "gan", 20, generator="dcgan", attributes={"age": "young"}),
    *make_records("generated", "rare", 5, generator="rare", attributes={"age": "young"}),
    *make_records("generated", "odd", 4, generator="odd", attributes={"age": "young"}),
]


def score_by_source(probability_by_source: dict[str, float]) -> ScoredImages:
    """Give every image its source's probability."""
    probabilities = np.array([probability_by_source[record.source] for record in RECORDS])
    labels = np.array([record.label == "generated" for record in RECORDS], dtype=int)
    return ScoredImages(probabilities, labels, np.arange(len(RECORDS)), 0.5)


BREAKDOWNS = {
    breakdown.name: breakdown
    for breakdown in compute_breakdowns(
        RECORDS,
        score_by_source(
            {"kaggle": 0.1, "own": 0.7, "sd": 0.9, "gan": 0.3, "rare": 0.2, "odd": 0.9}
        ),
    )
}


def test_each_source_has_the_rate_of_its_class_and_an_auc_against_the_whole_other_class():
    subgroups = {subgroup.name: subgroup for subgroup in BREAKDOWNS["source"].subgroups}
    assert {
        name: (subgroup.images, subgroup.right.value) for name, subgroup in subgroups.items()
    } == {
        "kaggle": (30, 1.0),
        "own": (20, 0.0),
        "sd": (25, 1.0),
        "gan": (20, 0.0),
        "rare": (5, 0.0),
    }
    assert subgroups["sd"].auc.value == 1 and subgroups["gan"].auc.value == pytest.approx(30 / 50)
    assert subgroups["own"].probability == pytest.approx(0.7)
    assert (subgroups["kaggle"].right.low, subgroups["kaggle"].right.high) == pytest.approx(
        (0.025 ** (1 / 30), 1)
    )
    assert BREAKDOWNS["source"].worst.name in ("own", "gan")


def test_a_subgroup_with_few_images_is_marked_and_one_with_hardly_any_is_counted():
    breakdown = BREAKDOWNS["source"]
    assert [each.name for each in breakdown.subgroups if each.is_small] == ["rare"]
    assert (breakdown.hidden_subgroups, breakdown.hidden_images) == (1, 4)


def test_prompts_qualities_and_sizes_are_breakdowns_and_the_same_subgroups_come_only_once():
    assert [
        subgroup.name for subgroup in BREAKDOWNS["attribute of the generated image"].subgroups
    ] == [
        "age: old",
        "age: young",
    ]
    assert [
        subgroup.name for subgroup in BREAKDOWNS["original format and JPEG quality"].subgroups
    ] == [
        "JPEG 60 to 74",
        "JPEG 85 to 94",
        "PNG",
    ]
    assert {
        subgroup.name for subgroup in BREAKDOWNS["original size, shorter side in pixels"].subgroups
    } == {"512 to 767"}
    assert "generator" not in BREAKDOWNS
    assert "attribute of the photograph" not in BREAKDOWNS


def test_reliability_bins_hold_every_image_once():
    generator = np.random.default_rng(0)
    probabilities = np.r_[generator.random(500), 0.0, 1.0]
    labels = (generator.random(502) < probabilities).astype(int)
    bins = list(compute_reliability_bins(ScoredImages(probabilities, labels, np.arange(502), 0.5)))
    assert sum(row.images for row in bins) == 502
    assert all(abs(row.probability - row.generated) < 0.3 for row in bins)


def test_abstention_costs_answers_and_buys_right_ones():
    scored = ScoredImages(
        np.array([0.1, 0.5, 0.9, 0.2, 0.5, 0.9]),
        np.array([0, 0, 0, 1, 1, 1]),
        np.arange(6),
        0.5,
        OperatingPoint(
            false_alarm_cut=Cut(target=0.05, limit=0.8), miss_cut=Cut(target=0.05, limit=0.3)
        ),
    )
    assert [
        (row.label, row.images, row.abstained, row.wrong)
        for row in compute_abstention_statistics(scored)
    ] == [
        ("real", 3, 1, 1),
        ("generated", 3, 1, 1),
        ("all", 6, 2, 2),
    ]
    assert (
        compute_abstention_statistics(scored)[2].error.value == 0.5
        and compute_abstention_statistics(scored)[2].error.low > 0
    )


def test_generators_that_cut_across_sources_have_a_breakdown():
    records = [*make_records("real", "kaggle", 20)]
    records += [
        row
        for source in ("one", "two")
        for name in ("x", "y")
        for row in make_records("generated", source, 20, generator=name)
    ]
    labels = np.array([record.label == "generated" for record in records], dtype=int)
    names = [
        breakdown.name
        for breakdown in compute_breakdowns(
            records, ScoredImages(labels * 0.8, labels, np.arange(100), 0.5)
        )
    ]
    assert names[:2] == ["source", "generator"]
