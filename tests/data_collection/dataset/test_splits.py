"""Groups never cross a split, the splits have their shares, and no image changes its split."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from data_collection.dataset import near_duplicates, splits
from data_collection.dataset.manifest import FaceRecord
from data_collection.dataset.splits import SplitAssignments
from runtime import console, hashing
from toys.images import draw_face

SHARES = {"train": 0.7, "validation": 0.15, "hold-out": 0.15}


def records(
    count: int, start: int = 0, label: str = "real", source: str = "a", people: int = 0
) -> list[FaceRecord]:
    generator = np.random.default_rng([start, *source.encode()])
    return [
        FaceRecord(
            id=hashing.hash_bytes(f"{source}{label}{start + number}".encode()),
            label=label,
            source=source,
            file=str(start + number),
            status="accepted",
            phash=f"{generator.integers(2**63):016x}",
            phash_mirrored=f"{generator.integers(2**63):016x}",
            person=f"person {number % people}" if people else "",
        )
        for number in range(count)
    ]


def count_images(assigned: list[FaceRecord]) -> Counter:
    return Counter((record.label, record.source, record.split) for record in assigned)


def test_every_source_is_split_in_the_requested_shares():
    assigned = splits.assign_splits(
        [*records(200), *records(100, label="generated", source="b")],
        SplitAssignments(shares=SHARES),
    )
    assert [count_images(assigned)["real", "a", split] for split in splits.SPLITS] == [140, 30, 30]
    assert [count_images(assigned)["generated", "b", split] for split in splits.SPLITS] == [
        70,
        15,
        15,
    ]


def test_one_person_is_in_one_split():
    assigned = splits.assign_splits(records(200, people=20), SplitAssignments(shares=SHARES))
    splits_of_person = {record.person: set() for record in assigned}
    for record in assigned:
        splits_of_person[record.person].add(record.split)
    assert {len(person_splits) for person_splits in splits_of_person.values()} == {1}
    assert [count_images(assigned)["real", "a", split] for split in splits.SPLITS] == [140, 30, 30]


def test_a_meaningless_label_cannot_be_learnt_across_our_splits():
    """Each person gets a random label; pixels predict it only if a person is on both sides of the
    split."""
    generator = np.random.default_rng(3)
    n_people, images_per_person = 40, 10
    faces = generator.normal(size=(n_people, 30))
    rows = records(n_people * images_per_person, people=n_people)
    people = [int(row.person.split()[1]) for row in rows]
    x = np.stack([faces[person] + 0.5 * generator.normal(size=30) for person in people])
    assigned = splits.assign_splits(
        rows, SplitAssignments(shares={"train": 0.5, "validation": 0.25, "hold-out": 0.25})
    )
    train = np.array([row.split == "train" for row in assigned])
    random = generator.permutation(train)
    scores = {"ours": [], "random": []}
    for _ in range(40):
        y = generator.integers(0, 2, n_people)[people]
        for name, part in (("ours", train), ("random", random)):
            model = KNeighborsClassifier(1).fit(x[part], y[part])
            scores[name].append(model.score(x[~part], y[~part]))
    assert np.mean(scores["random"]) > 0.95
    assert abs(np.mean(scores["ours"]) - 0.5) < 0.07


def test_the_same_images_are_split_the_same_way_in_any_order():
    rows = records(100)
    forward, backward = (
        splits.assign_splits(ordered, SplitAssignments(shares=SHARES))
        for ordered in (rows, rows[::-1])
    )
    assert {r.id: r.split for r in forward} == {r.id: r.split for r in backward}


def test_later_images_move_none_of_the_old_ones():
    frozen = SplitAssignments(shares=SHARES)
    first = splits.assign_splits(records(100), frozen)
    second = splits.assign_splits(
        [*first, *records(60, start=500), *records(40, source="new")], frozen
    )
    assert second[:100] == first
    assert [count_images(second)["real", "new", split] for split in splits.SPLITS] == [28, 6, 6]
    assert [count_images(second)["real", "a", split] for split in splits.SPLITS] == [112, 24, 24]


def test_a_newcomer_joins_its_group_or_is_quarantined():
    frozen = SplitAssignments(shares=SHARES)
    first = splits.assign_splits(records(100), frozen)
    first_rows, second_rows = (
        {split: [r for r in first if r.split == split][n] for split in splits.SPLITS}
        for n in (0, 1)
    )

    def newcomer(number: int, **facts) -> FaceRecord:
        return dataclasses.replace(records(1, start=900 + number)[0], **facts)

    joins = [
        newcomer(n, source_image=first_rows[split].id) for n, split in enumerate(splits.SPLITS)
    ]
    bridge = newcomer(
        9, source_image=second_rows["train"].id, phash=second_rows["validation"].phash
    )
    assigned = splits.assign_splits([*first, *joins, bridge], frozen)
    assert assigned[:100] == first
    assigned = assigned[100:]
    assert [record.split for record in assigned] == [
        "train",
        "validation",
        "quarantine",
        "quarantine",
    ]
    assert assigned[0].group == first_rows["train"].group


def test_an_altered_hold_out_is_refused():
    frozen = SplitAssignments(shares=SHARES)
    assigned = splits.assign_splits(records(100), frozen)
    splits.seal_hold_out(assigned, frozen)
    splits.check_splits(assigned, frozen)
    held = next(number for number, record in enumerate(assigned) if record.split == "hold-out")
    other_label = [
        *assigned[:held],
        dataclasses.replace(assigned[held], label="generated"),
        *assigned[held + 1 :],
    ]
    moved = [
        *assigned[:held],
        dataclasses.replace(assigned[held], split="train"),
        *assigned[held + 1 :],
    ]
    for altered in (other_label, moved, assigned[:held] + assigned[held + 1 :]):
        with pytest.raises(console.PlainError, match="hold-out") as caught:
            splits.check_splits(altered, frozen)
        assert caught.value.exit_code == console.EXIT_LEAK
    train = next(number for number, record in enumerate(assigned) if record.split == "train")
    swapped = [
        *assigned[:train],
        dataclasses.replace(assigned[train], split="validation"),
        *assigned[train + 1 :],
    ]
    with pytest.raises(console.PlainError, match="its group is not"):
        splits.check_splits(swapped, frozen)


def test_openings_of_the_hold_out_are_counted(tmp_path):
    splits.write_splits(tmp_path, SplitAssignments(shares=SHARES))
    assert [splits.record_hold_out_opening(tmp_path, model) for model in ("a", "b")] == [1, 2]
    assert [entry["model"] for entry in splits.read_splits(tmp_path).hold_out_opened] == ["a", "b"]


def test_a_cropped_copy_joins_the_split_of_its_original():
    original, copy = records(1, start=7000)[0], records(1, start=8000)[0]
    face = draw_face(1)
    original = dataclasses.replace(original, **near_duplicates.compute_fingerprints(face))
    cropped = near_duplicates.compute_fingerprints(face.crop((16, 16, 144, 144)))
    copy = dataclasses.replace(copy, **cropped)
    others = [
        dataclasses.replace(record, **near_duplicates.compute_fingerprints(draw_face(100 + number)))
        for number, record in enumerate(records(40))
    ]
    assigned = splits.assign_splits([original, *others, copy], SplitAssignments(shares=SHARES))
    assert (assigned[0].group, assigned[0].split) == (assigned[-1].group, assigned[-1].split)
    assert len({record.group for record in assigned}) == 41
    without = [dataclasses.replace(r, thumbnail="") for r in (original, *others, copy)]
    assigned = splits.assign_splits(without, SplitAssignments(shares=SHARES))
    assert assigned[0].group != assigned[-1].group
