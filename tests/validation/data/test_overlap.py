"""No image of an evaluation is a file of the training, of one group with it, or nearly the same."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from PIL import Image, ImageEnhance, ImageOps

from data_collection.dataset import manifest, near_duplicates
from data_collection.dataset.manifest import FaceRecord
from runtime import console, hashing
from toys.images import draw_face, make_image
from validation.data import evaluation_set, overlap
from validation.data.evaluation_set import EvaluationSet


def row(name: str, image, group: str = "") -> FaceRecord:
    facts = near_duplicates.compute_fingerprints(image) | {"group": group or name}
    return FaceRecord(
        id=hashing.hash_bytes(name.encode()),
        label="real",
        source="photos",
        file=f"{name}.png",
        status="accepted",
        **facts,
    )


LEARNT = [row(f"learnt{seed}", make_image(seed)) for seed in range(20)]


def find(*records: FaceRecord) -> evaluation_set.TrainingOverlap:
    return overlap.find_overlap(records, LEARNT)[0]


def test_other_pictures_share_nothing():
    shared = find(*(row(f"new{seed}", make_image(seed)) for seed in range(100, 120)))
    assert (shared.pairs, shared.compared) == ([], 20)


def test_the_same_file_a_group_and_a_near_duplicate_are_told_apart():
    brighter, mirrored = (
        ImageEnhance.Brightness(make_image(3)).enhance(1.1),
        ImageOps.mirror(make_image(4)),
    )
    same = LEARNT[2]
    friend = row("friend", make_image(200), group="learnt5")
    shared = find(same, friend, row("brighter", brighter), row("mirrored", mirrored))
    assert shared.files == [("learnt2.png", "learnt2.png")]
    assert shared.groups == [("friend.png", "learnt5.png")]
    assert shared.near_duplicates == [
        ("brighter.png", "learnt3.png"),
        ("mirrored.png", "learnt4.png"),
    ]


def test_a_turned_copy_of_a_training_image_is_found():
    turned = draw_face(3).rotate(5, Image.Resampling.BICUBIC)
    learnt = [row(f"learnt{seed}", draw_face(seed)) for seed in range(10)]
    copies = [row("turned", turned), row("new", draw_face(50))]
    shared, ids = overlap.find_overlap(copies, learnt)
    assert shared.near_duplicates == [("turned.png", "learnt3.png")] and ids == {copies[0].id}
    # Rows of an older version have no thumbnails; the report says that only hashes were compared.
    learnt = [replace(record, thumbnail="") for record in learnt]
    shared, ids = overlap.find_overlap(copies, learnt)
    assert (shared.near_duplicates, shared.compared_by_hash_only) == ([], 10)


@pytest.fixture
def home(tmp_path):
    """The data set that was trained on."""
    folder = tmp_path / "data"
    folder.mkdir()
    manifest.replace_records(folder, [replace(row, split="train") for row in LEARNT])
    return folder


def card(home, finetuning=None) -> SimpleNamespace:
    fingerprint = (
        manifest.compute_fingerprint(manifest.read_manifest(home)) if home.exists() else ""
    )
    return SimpleNamespace(
        name="old",
        dataset=SimpleNamespace(fingerprint=fingerprint),
        search=SimpleNamespace(finetuning=finetuning),
    )


NEW = [row(f"new{seed}", make_image(seed)) for seed in range(100, 103)]


def photos(folder, records: list[FaceRecord]) -> EvaluationSet:
    return EvaluationSet(name="photos", folder=folder, records=records)


def test_known_images_are_refused_by_name_or_left_out_on_request(tmp_path, home):
    mixed = photos(tmp_path, [LEARNT[7], *NEW])
    with pytest.raises(
        console.PlainError,
        match=r"1 of 4 images of photos.*learnt7.png is learnt7.png.*--drop-known",
    ) as error:
        overlap.separate_from_training(mixed, card(home), home, drop_overlap=False)
    assert error.value.exit_code == console.EXIT_LEAK == 5
    kept = overlap.separate_from_training(mixed, card(home), home, drop_overlap=True)
    assert (kept.records, kept.overlap.dropped, kept.overlap_unknown_reason) == (NEW, 1, "")
    with pytest.raises(console.PlainError, match="No other image is left"):
        overlap.separate_from_training(
            photos(tmp_path, LEARNT[:3]), card(home), home, drop_overlap=True
        )
    # Nothing is dropped from a hold-out, and the option is not offered.
    with pytest.raises(console.PlainError) as error:
        overlap.separate_from_training(mixed, card(home), home)
    assert "--drop-known" not in str(error.value)


def test_an_empty_overlap_proves_nothing_if_the_training_is_not_here_as_it_was(tmp_path, home):
    new = photos(tmp_path, NEW)
    assert overlap.separate_from_training(new, card(home), home).overlap.compared == 20
    missing = overlap.separate_from_training(new, card(home), tmp_path / "elsewhere")
    tuned = overlap.separate_from_training(
        new, card(home, finetuning=SimpleNamespace(accept_other_data=True)), home
    )
    known = card(home)
    manifest.replace_records(home, [replace(row, split="train") for row in LEARNT[1:]])
    changed = overlap.separate_from_training(new, known, home)
    assert [data.overlap for data in (missing, tuned, changed)] == [None] * 3
    assert (
        "is not here" in missing.overlap_unknown_reason
        and "other data before" in tuned.overlap_unknown_reason
        and "no longer" in changed.overlap_unknown_reason
    )
    # The images that are there are still compared.
    with pytest.raises(console.PlainError, match="learnt3"):
        overlap.separate_from_training(photos(tmp_path, [LEARNT[3]]), known, home)
