"""A detector is not judged on what it has learnt from: same file, same group, or nearly the same picture."""

import pytest
from PIL import ImageEnhance, ImageOps

from data_collection import console, duplicates
from data_collection.manifest import FaceRecord
from toys import picture
from validation import overlap
from validation.evaluation_set import EvaluationSet


def row(name: str, image, group: str = "") -> FaceRecord:
    phash, mirrored = duplicates.perceptual_hashes(image)
    facts = {"phash": phash, "phash_mirrored": mirrored, "group": group or name}
    return FaceRecord(name, "real", "photos", f"{name}.png", "accepted", **facts)


LEARNT = [row(f"learnt{seed}", picture(seed)) for seed in range(20)]


def found(*judged: FaceRecord) -> overlap.Overlap:
    return overlap.find(judged, LEARNT)[0]


def test_other_pictures_share_nothing():
    shared = found(*(row(f"new{seed}", picture(seed)) for seed in range(100, 120)))
    assert (shared.pairs, shared.compared) == ([], 20)


def test_the_same_file_a_group_and_a_near_duplicate_are_told_apart():
    brighter, mirrored = ImageEnhance.Brightness(picture(3)).enhance(1.1), ImageOps.mirror(picture(4))
    same = LEARNT[2]
    friend = row("friend", picture(200), group="learnt5")
    shared = found(same, friend, row("brighter", brighter), row("mirrored", mirrored))
    assert shared.files == [("learnt2.png", "learnt2.png")]
    assert shared.groups == [("friend.png", "learnt5.png")]
    assert shared.near == [("brighter.png", "learnt3.png"), ("mirrored.png", "learnt4.png")]


def test_known_images_are_refused_by_name_or_left_out_on_request(tmp_path):
    new = [row(f"new{seed}", picture(seed)) for seed in range(100, 103)]
    mixed = EvaluationSet("photos", tmp_path, [LEARNT[7], *new], [], None)
    with pytest.raises(console.PlainError, match=r"1 of 4 images of photos.*learnt7.png is learnt7.png.*--drop-known") as error:
        overlap.kept_apart(mixed, LEARNT, "old", drop=False)
    assert error.value.exit_code == console.LEAK == 5
    kept = overlap.kept_apart(mixed, LEARNT, "old", drop=True)
    assert (kept.records, kept.overlap.dropped) == (new, 1)
    with pytest.raises(console.PlainError, match="Nothing else is there"):
        overlap.kept_apart(EvaluationSet("photos", tmp_path, LEARNT[:3], [], None), LEARNT, "old", drop=True)
