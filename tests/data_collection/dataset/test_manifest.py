"""Rows are whole or absent; there is one writer at a time; the fingerprint holds all that decides a
training."""

import dataclasses
import os
import subprocess
import sys

import pytest

from data_collection.dataset import manifest, stored_images
from data_collection.dataset.manifest import FaceRecord
from runtime import atomic_files, console
from toys.commands import REPOSITORY_ROOT


def row(number: int, **changes) -> FaceRecord:
    known = {
        "group": str(number),
        "split": "train",
        "phash": f"{number:016x}",
        "phash_mirrored": f"{number:016x}",
    }
    record = FaceRecord(
        id=f"{number:064x}",
        label="real",
        source="source",
        file=f"{number}.jpg",
        status="accepted",
        **known,
    )
    return dataclasses.replace(record, **changes)


def test_rows_come_back_as_they_went_in(tmp_path):
    rows = [
        row(1),
        row(2, prompt='quotes " and \n lines, 🙂', seed=7),
        row(3, status="rejected", reason="too small"),
    ]
    manifest.append_records(tmp_path, rows[:2])
    manifest.append_records(tmp_path, rows[2:])
    assert manifest.read_manifest(tmp_path) == rows


def test_a_torn_last_line_is_passed_over_and_cut_by_the_next_write(tmp_path):
    manifest.append_records(tmp_path, [row(1), row(2)])
    whole = manifest.manifest_path(tmp_path).read_bytes()
    for cut in range(len(whole) // 2 + 1, len(whole)):
        manifest.manifest_path(tmp_path).write_bytes(whole[:cut])
        assert manifest.read_manifest(tmp_path) == [row(1)]
    manifest.append_records(tmp_path, [row(3)])
    assert manifest.read_manifest(tmp_path) == [row(1), row(3)]


@pytest.mark.parametrize("garbage", [b"{}", b"\0\0\0", b"[1, 2]", b'{"id": 1, "nonsense": 2}'])
def test_damage_in_the_middle_is_named_with_its_line(tmp_path, garbage):
    manifest.append_records(tmp_path, [row(1), row(2)])
    lines = manifest.manifest_path(tmp_path).read_bytes().splitlines()
    manifest.manifest_path(tmp_path).write_bytes(b"\n".join([lines[0], garbage, lines[1], b""]))
    with pytest.raises(console.PlainError, match="Line 2 of"):
        manifest.read_manifest(tmp_path)


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "file"
    atomic_files.write_atomically(path, b"old")
    monkeypatch.setattr(
        manifest.os,
        "replace",
        lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")),
    )
    with pytest.raises(OSError, match="No space"):
        atomic_files.write_atomically(path, b"new")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("file", b"old")]


def test_a_second_writer_is_turned_away(tmp_path):
    program = f"""
from pathlib import Path
from runtime import atomic_files
with atomic_files.lock_folder(Path({str(tmp_path)!r})):
    print("locked", flush=True)
    input()
"""
    first = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=REPOSITORY_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout.readline() == "locked\n"
    with (
        pytest.raises(console.PlainError, match="Another command is writing") as caught,
        atomic_files.lock_folder(tmp_path),
    ):
        pass
    assert caught.value.exit_code == console.EXIT_BUSY
    first.kill()
    first.communicate()
    with atomic_files.lock_folder(tmp_path):  # a killed writer leaves no lock behind
        pass


def test_the_fingerprint_follows_what_decides_a_training():
    rows = [row(1), row(2)]
    same = [row(2), row(1, width=7, prompt="x"), row(3, status="rejected")]
    assert manifest.compute_fingerprint(rows) == manifest.compute_fingerprint(same)
    for changes in (
        {"label": "generated"},
        {"split": "hold-out"},
        {"group": "9"},
        {"source": "other"},
    ):
        assert manifest.compute_fingerprint(rows) != manifest.compute_fingerprint(
            [row(1), row(2, **changes)]
        )


OWN = f"{1:064x}"


@pytest.mark.parametrize(
    "path",
    [
        "/dev/zero",
        "/etc/passwd",
        "../other/secret.jpg",
        f"originals/real/00/../../../{OWN}.png",
        f"originals/real/00/{2:064x}.png",
        f"originals/real/00/{OWN}.png\0b",
        f"originals/real/00/{OWN}.png\n",
        f"/originals/real/00/{OWN}.png",
        f"originals\\real\\00\\{OWN}.png",
        f"features/real/00/{OWN}.png",
        "manifest.jsonl",
    ],
)
@pytest.mark.parametrize("field", ["original", "image"])
def test_a_row_that_names_a_file_of_somebody_else_is_damaged(tmp_path, field, path):
    own = {"original": f"originals/real/00/{OWN}.png", "image": f"images/generated/00/{OWN}.jpg"}
    manifest.append_records(tmp_path, [row(1, **own), row(2)])
    assert len(manifest.read_manifest(tmp_path)) == 2
    named = path.replace("originals", "images").replace(".png", ".jpg")
    path = path if field == "original" else named
    manifest.replace_records(tmp_path, [row(2), row(1, **own | {field: path})])
    with pytest.raises(console.PlainError, match=r"Line 2 of .* is damaged") as caught:
        manifest.read_manifest(tmp_path)
    assert caught.value.exit_code == console.EXIT_DISK


def test_an_original_that_is_a_pipe_a_device_or_enormous_is_not_read(tmp_path):
    path = tmp_path / "a.jpg"
    for make, fault in (
        (lambda: os.mkfifo(path), "is no file"),
        (lambda: path.symlink_to("/dev/zero"), "is no file"),
        (lambda: (path.touch(), os.truncate(path, 10**12)), "was altered since"),
    ):
        make()
        record = row(1, original="a.jpg", image="a.jpg")
        with pytest.raises(console.PlainError, match=fault):
            stored_images.read_original(tmp_path, record)
        with pytest.raises(console.PlainError, match="missing or damaged"):
            stored_images.read_canonical_image(tmp_path, record)
        path.unlink()


def test_an_altered_or_missing_original_is_named(tmp_path):
    record = row(1, original="a.jpg")
    with pytest.raises(console.PlainError, match=r"a\.jpg is missing"):
        stored_images.read_original(tmp_path, record)
    (tmp_path / "a.jpg").write_bytes(b"other bytes")
    with pytest.raises(console.PlainError, match=r"a\.jpg was altered"):
        stored_images.read_original(tmp_path, record)
