"""A source is removed with its rows and files; an interrupted removal can be given again."""

import dataclasses
from pathlib import Path

import pytest

from data_collection.__main__ import run_remove_command
from data_collection.dataset import manifest, splits, verification
from data_collection.dataset.manifest import FaceRecord
from data_collection.stored_datasets import removal
from runtime import console
from toys.datasets import collect_records
from toys.face_records import write_toy_record, write_toy_records

OTHER_SPLITS = ("train", "validation", "hold-out")


@pytest.fixture
def folder(tmp_path) -> Path:
    """A data set of the sources "a folder" and "other", whose hold-out was opened once."""
    folder = tmp_path / "data" / "faces"
    records = write_toy_records(folder, 6)
    records += [
        dataclasses.replace(
            write_toy_record(folder, 50 + number, "generated", split), source="other"
        )
        for number, split in enumerate(OTHER_SPLITS)
    ]
    collect_records(folder, records)
    splits.record_hold_out_opening(folder, "a detector")
    (folder / "audit.json").write_text("{}")
    (folder / "audit.html").write_text("shows faces")
    return folder


def list_image_files(folder: Path) -> set[str]:
    paths = (path for name in removal.IMAGE_FOLDERS for path in (folder / name).rglob("*"))
    return {path.relative_to(folder).as_posix() for path in paths if path.is_file()}


def list_named_files(records: list[FaceRecord]) -> set[str]:
    return {name for record in records for name in (record.original, record.image)}


def test_a_removed_source_leaves_the_others_as_they_were(folder):
    others = [r for r in manifest.read_manifest(folder) if r.source != "other"]
    groups = splits.read_splits(folder).groups
    result = removal.remove_source(folder, "other")
    assert result == removal.Removal(images=3, rows=3, files=6, reopened=0)
    assert manifest.read_manifest(folder) == others
    assert list_image_files(folder) == list_named_files(others)
    assert verification.verify_dataset(folder)
    assert not (folder / "audit.json").exists() and not (folder / "audit.html").exists()
    frozen = splits.read_splits(folder)
    assert [row["model"] for row in frozen.hold_out_opened] == ["a detector"]
    assert frozen.groups == groups


def test_an_image_that_comes_back_gets_its_old_split(folder):
    before = manifest.read_manifest(folder)
    removal.remove_source(folder, "other")
    again = [
        dataclasses.replace(record, group="", split="")
        for record in before
        if record.source == "other"
    ]
    kept = manifest.read_manifest(folder)
    assert splits.assign_splits([*kept, *again], splits.read_splits(folder)) == [
        *kept,
        *(record for record in before if record.source == "other"),
    ]


@pytest.mark.parametrize(
    ("owner", "name", "calls"),
    [
        (splits, "write_splits", 0),
        (manifest, "replace_records", 0),
        (Path, "unlink", 0),
        (Path, "unlink", 2),
        (Path, "unlink", 4),
    ],
)
def test_an_interrupted_removal_can_be_given_again(folder, monkeypatch, owner, name, calls):
    others = [r for r in manifest.read_manifest(folder) if r.source != "other"]
    original, left = getattr(owner, name), [calls]

    def interrupt(*arguments: object, **options: object) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, interrupt)
        with pytest.raises(KeyboardInterrupt):
            removal.remove_source(folder, "other")
    removal.remove_source(folder, "other")
    assert manifest.read_manifest(folder) == others
    assert list_image_files(folder) == list_named_files(others)
    assert verification.verify_dataset(folder)


def test_copies_that_were_rejected_for_a_removed_image_are_examined_again(folder):
    records = manifest.read_manifest(folder)
    copied = next(record for record in records if record.source == "other")
    copy = dataclasses.replace(
        copied, source="a folder", file="copy.jpg", status="rejected", reason="duplicate of other"
    )
    manifest.replace_records(folder, [*records, copy])
    assert removal.remove_source(folder, "other").reopened == 1
    assert all(record.file != "copy.jpg" for record in manifest.read_manifest(folder))


def test_the_command_takes_a_name_and_suggests_a_source(folder, capsys):
    words = ["--data", str(folder.parent)]
    with pytest.raises(console.PlainError, match="did you mean other"):
        run_remove_command(["faces", "othre", *words])
    run_remove_command(["faces", "other", *words])
    printed = " ".join(capsys.readouterr().err.split())
    assert "removed 3 images of other" in printed and "6 real and 6 generated" in printed
    with pytest.raises(console.PlainError, match="has no source other"):
        run_remove_command(["faces", "other", *words])
