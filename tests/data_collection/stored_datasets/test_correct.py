"""Images are dropped and relabelled with their history kept, and everything goes on after it."""

import dataclasses
import json
from pathlib import Path

import pytest

from data_collection.__main__ import run_correct_command
from data_collection.command_settings import CorrectSettings
from data_collection.dataset import manifest, splits, verification
from data_collection.dataset.manifest import FaceRecord
from data_collection.stored_datasets import correct, corrections, removal
from runtime import console
from toys.datasets import collect_records
from toys.face_records import write_toy_record, write_toy_records

BECAUSE = ["--because", "a painting"]


@pytest.fixture
def folder(tmp_path) -> Path:
    """A data set of the sources "a folder", of both classes, and "other", of generated images."""
    folder = tmp_path / "data" / "faces"
    records = write_toy_records(folder, 6)
    records += [
        dataclasses.replace(
            write_toy_record(folder, 50 + number, "generated", split), source="other"
        )
        for number, split in enumerate(("train", "validation", "hold-out"))
    ]
    collect_records(folder, records)
    (folder / "audit.json").write_text("{}")
    return folder


def run(folder: Path, *words: str) -> None:
    run_correct_command([str(folder), *words])


def list_accepted(folder: Path) -> list[FaceRecord]:
    return [record for record in manifest.read_manifest(folder) if record.accepted]


def pick(folder: Path, split: str, label: str = "real", source: str = "a folder") -> FaceRecord:
    return next(
        record
        for record in list_accepted(folder)
        if (record.split, record.label, record.source) == (split, label, source)
    )


def list_files(folder: Path) -> set[Path]:
    return {path for name in removal.IMAGE_FOLDERS for path in (folder / name).rglob("*.*")}


def test_a_dropped_image_goes_from_the_rows_alone_and_comes_back(folder, capsys):
    before, files = list_accepted(folder), list_files(folder)
    image = pick(folder, "train")
    run(folder, image.id[:10], "--drop", *BECAUSE)
    assert list_accepted(folder) == [row for row in before if row.id != image.id]
    assert list_files(folder) == files and not (folder / "audit.json").exists()
    assert verification.verify_dataset(folder)
    run(folder, image.id[:10], "--undo", "--because", "it was none")
    assert list_accepted(folder) == before
    assert verification.verify_dataset(folder)
    capsys.readouterr()
    run(folder, "--history")
    shown = " ".join(capsys.readouterr().out.split())
    assert "a painting" in shown and "it was none" in shown


def test_a_relabelled_image_keeps_its_group_split_and_files(folder):
    image = pick(folder, "validation", "generated")
    run(folder, image.id, "--label", "real", *BECAUSE)
    (row,) = [record for record in list_accepted(folder) if record.id == image.id]
    assert row == dataclasses.replace(image, label="real")
    assert verification.verify_dataset(folder)
    run(folder, image.id, "--label", "generated", *BECAUSE)
    assert [record for record in list_accepted(folder) if record.id == image.id] == [image]


def test_a_relabelled_image_joins_a_source_of_its_new_class(folder):
    image = pick(folder, "train", "generated", "other")
    with pytest.raises(console.PlainError, match="other has no real images; .* of a folder"):
        run(folder, image.id, "--label", "real", *BECAUSE)
    run(folder, image.id, "--label", "real", "--source", "a folder", *BECAUSE)
    row = next(record for record in list_accepted(folder) if record.id == image.id)
    assert (row.label, row.source) == ("real", "a folder")


def test_a_hold_out_image_is_changed_on_request_only_and_noted(folder):
    image, opened = pick(folder, "hold-out"), splits.read_splits(folder)
    splits.record_hold_out_opening(folder, "a detector")
    with pytest.raises(console.PlainError, match="give --change-hold-out"):
        run(folder, image.id, "--drop", *BECAUSE)
    assert image in list_accepted(folder)
    run(folder, image.id, "--drop", "--change-hold-out", *BECAUSE)
    (noted,) = corrections.find_hold_out_corrections(folder)
    assert (noted.file, noted.because, noted.hold_out_openings) == (image.file, "a painting", 1)
    assert noted.hold_out_sha256 == opened.hold_out_sha256
    sealed = splits.read_splits(folder)
    assert sealed.hold_out_images == opened.hold_out_images - 1
    assert len(sealed.hold_out_opened) == 1 and sealed.groups == opened.groups
    assert verification.verify_dataset(folder)
    run(folder, image.id, "--undo", "--change-hold-out", *BECAUSE)
    assert corrections.find_hold_out_corrections(folder) == []
    assert splits.read_splits(folder).hold_out_sha256 == opened.hold_out_sha256


def test_rows_of_an_earlier_training_are_restored(folder):
    earlier = manifest.read_manifest(folder)
    fingerprint = manifest.compute_fingerprint(earlier)
    sealed = splits.read_splits(folder).hold_out_sha256
    run(folder, pick(folder, "train").id, "--drop", *BECAUSE)
    middle = manifest.compute_fingerprint(manifest.read_manifest(folder))
    image = pick(folder, "train", "generated", "other")
    run(folder, image.id, "--label", "real", "--source", "a folder", *BECAUSE)
    run(folder, pick(folder, "hold-out").id, "--drop", "--change-hold-out", *BECAUSE)
    records = manifest.read_manifest(folder)
    restored = corrections.restore_trained_records(folder, records, fingerprint)
    assert [row for row in restored if row.accepted] == earlier
    assert corrections.restore_trained_records(folder, records, middle)
    assert corrections.restore_trained_records(folder, records, "0" * 64) is None
    assert corrections.had_hold_out(folder, records, sealed)
    assert not corrections.had_hold_out(folder, records, "0" * 64)


@pytest.mark.parametrize("words", [["--label", "generated"], ["--drop"]])
def test_near_duplicates_are_not_left_behind_unnoticed(folder, words, capsys):
    image = pick(folder, "train")
    copy = dataclasses.replace(
        write_toy_record(folder, 70, "real", "train"),
        group=image.group,
        phash=image.phash,
        phash_mirrored=image.phash_mirrored,
    )
    manifest.append_records(folder, [copy])
    if "--label" in words:
        with pytest.raises(console.PlainError, match="give --with-copies"):
            run(folder, image.id, *words, *BECAUSE)
    else:
        run(folder, image.id, *words, *BECAUSE)
        assert "--with-copies takes it along" in " ".join(capsys.readouterr().err.split())
        run(folder, image.id, "--undo", *BECAUSE)
    run(folder, image.id, *words, "--with-copies", *BECAUSE)
    labels = {row.id: row.label for row in list_accepted(folder)}
    expected = "generated" if "--label" in words else None
    assert [labels.get(row.id) for row in (image, copy)] == [expected, expected]
    assert verification.verify_dataset(folder)


@pytest.mark.parametrize(
    ("owner", "name"),
    [(splits, "write_splits"), (manifest, "replace_records"), (Path, "unlink")],
)
def test_an_interrupted_correction_is_completed_by_the_next(folder, monkeypatch, owner, name):
    image, other = pick(folder, "hold-out"), pick(folder, "train")

    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(folder, image.id, "--drop", "--change-hold-out", *BECAUSE)
    run(folder, other.id, "--drop", *BECAUSE)
    assert not {image.id, other.id} & {row.id for row in list_accepted(folder)}
    assert len(corrections.read_corrections(folder)) == 2
    assert verification.verify_dataset(folder)


def test_what_is_so_already_is_told_and_written_once(folder, capsys):
    image = pick(folder, "train")
    run(folder, image.id, "--drop", *BECAUSE)
    capsys.readouterr()
    run(folder, image.id, "--drop", *BECAUSE)
    assert "is so already; nothing changed" in " ".join(capsys.readouterr().err.split())
    assert len(corrections.read_corrections(folder)) == 1


def offer_again(image: FaceRecord, label: str, source: str) -> FaceRecord:
    """Return the row of a file with the same content, as a collection would add it."""
    return dataclasses.replace(image, label=label, source=source, file="again.jpg")


def test_a_collection_brings_no_corrected_image_back(folder):
    dropped, relabelled = pick(folder, "train"), pick(folder, "train", "generated")
    run(folder, dropped.id, "--drop", *BECAUSE)
    run(folder, relabelled.id, "--label", "real", *BECAUSE)
    expected = list_accepted(folder)
    conflict = dataclasses.replace(
        offer_again(relabelled, "generated", "new"),
        status="rejected",
        reason="both labels: also a folder/x",
    )
    manifest.append_records(folder, [offer_again(dropped, "real", "new"), conflict])
    records = corrections.reapply_corrections(folder, manifest.read_manifest(folder))
    assert [row for row in records if row.accepted] == expected == list_accepted(folder)
    assert not any(row.reason.startswith("both labels") for row in records)
    assert corrections.reapply_corrections(folder, records) == records


def test_a_corrected_image_whose_source_was_removed_and_collected_again_stays_corrected(folder):
    image = pick(folder, "train", "generated", "other")
    run(folder, image.id, "--drop", *BECAUSE)
    removal.remove_source(folder, "other")
    manifest.append_records(folder, [image])
    corrections.reapply_corrections(folder, manifest.read_manifest(folder))
    assert image.id not in {row.id for row in list_accepted(folder)}
    run(folder, image.id, "--undo", *BECAUSE)
    assert image in list_accepted(folder)


def test_an_image_that_is_not_there_or_not_alone_is_told(folder):
    for name in ("nothing.jpg", "0.jpg"):  # two images are called 0.jpg
        with pytest.raises(console.PlainError, match="images of .* are called"):
            run(folder, name, "--drop", *BECAUSE)


def test_a_damaged_history_is_told(folder):
    run(folder, pick(folder, "train").id, "--drop", *BECAUSE)
    path = folder / corrections.CORRECTIONS_FILE
    path.write_text(path.read_text() + json.dumps({"id": 1}) + "\n")
    with pytest.raises(console.PlainError, match="damaged; restore it"):
        correct.print_history(folder)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "Name an image"),
        ({"image": "a"}, "Say what to do"),
        ({"image": "a", "drop": True}, "Say why"),
        ({"image": "a", "drop": True, "undo": True, "because": "x"}, "Say what to do"),
        ({"image": "a", "drop": True, "because": "x", "source": "s"}, "--source is for"),
        ({"image": "a", "history": True}, "--history stands alone"),
    ],
)
def test_settings_that_say_too_much_or_too_little_are_told(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        CorrectSettings(dataset=Path("faces"), **fields)
