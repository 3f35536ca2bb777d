"""Parts of the images: right counts, nothing shown that is too small, and what the band of doubt
does."""

import numpy as np
import pytest

from data_collection.dataset.manifest import FaceRecord
from validation.metrics.abstention import compute_abstention_statistics
from validation.metrics.breakdowns import compute_breakdowns
from validation.metrics.reliability import compute_reliability_bins
from validation.metrics.scored_images import ScoredImages


def rows(label: str, source: str, count: int, **facts) -> list[FaceRecord]:
    known = {"format": "PNG", "width": 512, "height": 600}
    return [
        FaceRecord(
            id=f"{source}{n}",
            label=label,
            source=source,
            file="",
            status="accepted",
            **(known | facts),
        )
        for n in range(count)
    ]


RECORDS = [
    *rows("real", "kaggle", 30, format="JPEG", quality=90),
    *rows("real", "own", 20, format="JPEG", quality=70),
    *rows("generated", "sd", 25, generator="sd-1.5", attributes={"age": "old"}),
    *rows("generated", "gan", 20, generator="dcgan", attributes={"age": "young"}),
    *rows("generated", "rare", 5, generator="rare", attributes={"age": "young"}),
]


def scored(answers: dict[str, float]) -> ScoredImages:
    """Every image of a source gets that source's probability."""
    probabilities = np.array([answers[record.source] for record in RECORDS])
    labels = np.array([record.label == "generated" for record in RECORDS], dtype=int)
    return ScoredImages(probabilities, labels, np.arange(len(RECORDS)), 0.5)


FOUND = {
    cut.name: cut
    for cut in compute_breakdowns(
        RECORDS, scored({"kaggle": 0.1, "own": 0.7, "sd": 0.9, "gan": 0.3, "rare": 0.9})
    )
}


def test_each_source_is_judged_by_its_own_class_against_the_whole_other_one():
    parts = {part.name: part for part in FOUND["source"].parts}
    assert {name: (part.images, part.right.value) for name, part in parts.items()} == {
        "kaggle": (30, 1.0),
        "own": (20, 0.0),
        "sd": (25, 1.0),
        "gan": (20, 0.0),
    }
    assert parts["sd"].auc.value == 1 and parts["gan"].auc.value == pytest.approx(30 / 50)
    assert parts["own"].probability == pytest.approx(0.7)
    assert (parts["kaggle"].right.low, parts["kaggle"].right.high) == pytest.approx(
        (0.025 ** (1 / 30), 1)
    )
    assert FOUND["source"].worst.name in ("own", "gan")


def test_a_part_with_few_images_is_counted_and_not_shown():
    assert FOUND["source"].hidden == (1, 5)
    assert "rare" not in {part.name for part in FOUND["source"].parts}


def test_prompts_qualities_and_sizes_are_breakdowns_and_the_same_subgroups_come_only_once():
    assert [part.name for part in FOUND["prompt attribute"].parts] == ["age: old", "age: young"]
    assert [part.name for part in FOUND["original format and JPEG quality"].parts] == [
        "JPEG 60 to 74",
        "JPEG 85 to 94",
        "PNG",
    ]
    assert {part.name for part in FOUND["original size, shorter side in pixels"].parts} == {
        "512 to 767"
    }
    assert "generator" not in FOUND
    assert "attribute of the photograph" not in FOUND


def test_reliability_bins_hold_every_image_once():
    draw = np.random.default_rng(0)
    probabilities = np.r_[draw.random(500), 0.0, 1.0]
    labels = (draw.random(502) < probabilities).astype(int)
    found = list(compute_reliability_bins(ScoredImages(probabilities, labels, np.arange(502), 0.5)))
    assert sum(each.images for each in found) == 502
    assert all(abs(each.probability - each.generated) < 0.3 for each in found)


def test_doubt_costs_answers_and_buys_right_ones():
    them = ScoredImages(
        np.array([0.1, 0.5, 0.9, 0.2, 0.5, 0.9]), np.array([0, 0, 0, 1, 1, 1]), np.arange(6), 0.5
    )
    said = ["real", "can't tell", "generated", "real", "can't tell", "generated"]
    assert [
        (row.label, row.images, row.abstained, row.wrong)
        for row in compute_abstention_statistics(them, said)
    ] == [
        ("real", 3, 1, 1),
        ("generated", 3, 1, 1),
        ("all", 6, 2, 2),
    ]
    assert (
        compute_abstention_statistics(them, said)[2].error.value == 0.5
        and compute_abstention_statistics(them, said)[2].error.low > 0
    )


def test_generators_that_cut_across_sources_are_told():
    records = [*rows("real", "kaggle", 20)]
    records += [
        row
        for source in ("one", "two")
        for name in ("x", "y")
        for row in rows("generated", source, 20, generator=name)
    ]
    labels = np.array([record.label == "generated" for record in records], dtype=int)
    names = [
        cut.name
        for cut in compute_breakdowns(
            records, ScoredImages(labels * 0.8, labels, np.arange(100), 0.5)
        )
    ]
    assert names[:2] == ["source", "generator"]
