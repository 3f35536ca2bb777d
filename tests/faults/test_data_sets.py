"""Every damage to a data set is named, every strange file is listed, and two commands never mix."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from data_collection.collect import MIN_IMAGES_PER_CLASS, collect_dataset
from data_collection.dataset import grouping, manifest, splits
from data_collection.dataset.verification import verify_dataset
from data_collection.settings import CollectionSettings
from data_collection.sources import requested_sources
from runtime import console
from toys import face_records
from toys.commands import build_collect_words, build_environment, run_command, run_program
from toys.images import encode_image, make_image, write_face_folders
from training import dataset


def write_dataset(folder: Path, count: int) -> list[manifest.FaceRecord]:
    """Write a data set of 2 x count toys, as a collection leaves it."""
    records = face_records.write_toy_records(folder, count)
    manifest.replace_records(folder, records)
    frozen = splits.SplitAssignments(
        shares={}, groups={record.group: record.split for record in records}
    )
    splits.seal_hold_out(records, frozen)
    splits.write_splits(folder, frozen)
    return records


def read_rows(folder: Path) -> list[manifest.FaceRecord]:
    return manifest.read_manifest(folder / "data" / "faces")


# A power cut


class Disk:
    """The state that a power cut would leave: synced contents, under the names that their folders
    had at the folders' last sync."""

    def __init__(self, monkeypatch):
        self.names: dict[Path, set[str]] = {}
        self.contents: dict[int, int] = {}
        self.rows: list[manifest.FaceRecord] = []
        self.folder = Path()
        self._sync = os.fsync
        monkeypatch.setattr(os, "fsync", self.sync)

    def sync(self, handle: int) -> None:
        self._sync(handle)
        path = Path(os.readlink(f"/proc/self/fd/{handle}"))
        if path.is_dir():
            self.names[path] = {entry.name for entry in path.iterdir()}
        else:
            self.contents[path.stat().st_ino] = path.stat().st_size
        if path == manifest.manifest_path(self.folder):
            self.rows = manifest.read_manifest(self.folder)
            assert self.list_lost_files() == []

    def list_lost_files(self) -> list[str]:
        """Return files that are not on disk, though their rows are."""
        names = [name for row in self.rows for name in (row.original, row.image) if name]
        return [name for name in names if not self.holds(self.folder / name)]

    def holds(self, file: Path) -> bool:
        chain = [file, *file.parents]
        inside = chain[: chain.index(self.folder)]
        is_named = all(path.name in self.names.get(path.parent, ()) for path in inside)
        return is_named and self.contents.get(file.stat().st_ino) == file.stat().st_size


def test_at_no_moment_does_the_disk_hold_a_row_without_its_files_and_their_names(
    tmp_path, monkeypatch
):
    faces, disk = write_face_folders(tmp_path / "faces"), Disk(monkeypatch)
    disk.folder = tmp_path / "data" / "faces"
    sources = {
        "real": (f"folder:{faces / 'real'}",),
        "generated": (f"folder:{faces / 'generated'}",),
    }
    collect_dataset(
        CollectionSettings(
            **sources, data=tmp_path / "data", image_size=64, min_side=48, audit=False
        )
    )
    assert len(disk.rows) == 80 and all(row.original and row.image for row in disk.rows)


# Two commands on one data set


def test_of_two_collections_at_once_one_is_turned_away_and_the_other_unharmed(tmp_path):
    faces = write_face_folders(tmp_path / "faces", 80)
    words = [sys.executable, "-m", *map(str, build_collect_words(faces))]
    first = subprocess.Popen(
        words, cwd=tmp_path, env=build_environment(), stderr=subprocess.PIPE, text=True
    )
    while not (tmp_path / "data" / "faces" / "manifest.jsonl").exists():
        time.sleep(0.002)
    first.send_signal(signal.SIGSTOP)  # it holds its lock for as long as the other needs
    try:
        second = run_command(*build_collect_words(faces), cwd=tmp_path)
        assert (
            second.returncode == console.EXIT_BUSY and "Another command is writing" in second.stderr
        )
    finally:
        first.send_signal(signal.SIGCONT)
    _, output = first.communicate(timeout=600)
    assert first.returncode == 0, output
    rows = read_rows(tmp_path)
    assert max(Counter(record.key for record in rows).values()) == 1 and len(rows) == 160


# Damage to the manifest


def test_no_edited_byte_of_a_manifest_is_a_traceback_or_a_silent_loss(tmp_path, capsys):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    generator = random.Random(seed)
    written = write_dataset(tmp_path, 30)
    path = manifest.manifest_path(tmp_path)
    whole = path.read_bytes()
    offsets = [*(generator.randrange(len(whole)) for _ in range(499)), len(whole) - 1]
    outcomes = Counter()
    for offset in offsets:
        edited = bytearray(whole)
        others = [value for value in range(256) if value != whole[offset]]
        edited[offset] = generator.choice(others)
        path.write_bytes(edited)
        manifest._warn_unfinished_line.cache_clear()
        capsys.readouterr()
        try:
            records = manifest.read_manifest(tmp_path)
            splits.check_splits(records, splits.read_splits(tmp_path))
            grouping.group_records([record for record in records if record.accepted])
        except console.PlainError as error:
            assert error.exit_code in (console.EXIT_DISK, console.EXIT_LEAK)
            outcomes["named"] += 1
            continue
        assert len(records) == len(written) or "last line" in capsys.readouterr().err
        outcomes["read"] += 1
    assert outcomes["named"] > 100 and outcomes["read"] > 50


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("phash", ""),
        ("phash", "0x12"),
        ("phash_mirrored", "g" * 16),
        ("id", "a" * 63),
        ("id", "A" * 64),
    ],
)
def test_a_row_whose_hashes_are_none_is_damaged(tmp_path, field, value):
    records = write_dataset(tmp_path, 3)
    text = manifest.manifest_path(tmp_path).read_text()
    manifest.manifest_path(tmp_path).write_text(text.replace(getattr(records[2], field), value))
    with pytest.raises(console.PlainError, match="Line 3 of .* is damaged") as caught:
        manifest.read_manifest(tmp_path)
    assert caught.value.exit_code == console.EXIT_DISK


def test_an_unfinished_last_line_is_said_once(tmp_path, capsys):
    write_dataset(tmp_path, 3)
    path = manifest.manifest_path(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    assert [len(manifest.read_manifest(tmp_path)) for _ in range(3)] == [5, 5, 5]
    assert capsys.readouterr().err.count(f"The last line of {path} is unfinished") == 1


# Verify


@pytest.mark.parametrize("seed", [0, 1])
def test_every_missing_or_altered_file_is_listed(tmp_path, capsys, seed):
    generator = random.Random(seed)
    records = write_dataset(tmp_path, 50)
    faults = {}
    for record in generator.sample(records, 100):
        path = tmp_path / generator.choice([record.original, record.original, record.image])
        faults[str(path.relative_to(tmp_path))] = _damage_file(path, generator, record)
    assert not verify_dataset(tmp_path)
    lines = map(str.strip, capsys.readouterr().out.splitlines())
    assert (
        dict(line.split(maxsplit=1) for line in lines if line.startswith(("originals/", "images/")))
        == faults
    )


def _damage_file(path: Path, generator: random.Random, record: manifest.FaceRecord) -> str:
    """Delete or damage a file, and return the fault that verify should name."""
    if generator.random() < 0.5:
        path.unlink()
        return "is missing"
    data = bytearray(path.read_bytes())
    if path.as_posix().endswith(record.image):
        path.write_bytes(data[: len(data) // 2])
        return "is damaged"
    data[generator.randrange(len(data))] ^= generator.randrange(1, 256)
    path.write_bytes(data)
    return "was altered since it was collected"


def test_verify_ends_with_a_sentence_and_a_code(tmp_path):
    records = write_dataset(tmp_path / "data", 6)
    done = run_command("data_collection", "verify", "data", cwd=tmp_path)
    assert (done.returncode, "All 12 images of data are as they were collected" in done.stderr) == (
        0,
        True,
    ), done.stderr
    (tmp_path / "data" / records[3].original).unlink()
    done = run_command("data_collection", "verify", "data", cwd=tmp_path)
    assert (done.returncode, records[3].original in done.stdout) == (console.EXIT_DISK, True), (
        done.stdout
    )


def test_verify_lists_another_hold_out(tmp_path, capsys):
    records = write_dataset(tmp_path, 6)
    manifest.replace_records(tmp_path, [record for record in records if record.split != "hold-out"])
    assert not verify_dataset(tmp_path)
    assert "hold-out is not the one recorded" in " ".join(capsys.readouterr().out.split())


# No memory


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc here")
def test_too_little_memory_is_a_sentence(tmp_path):
    """Read a manifest with one line of a gigabyte in a process that may take 200 MB more."""
    with manifest.manifest_path(tmp_path).open("wb") as file:
        file.truncate(1_000_000_000)
    program = """
import resource, sys
from data_collection import __main__
from data_collection.dataset import verification
from runtime import console
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 200_000_000,) * 2)
sys.argv = ["data_collection", "verify", "."]
console.run_command(__main__.main)
"""
    done = run_program(program, tmp_path)
    assert done.returncode == console.EXIT_DISK
    assert "Out of memory" in done.stderr and "Traceback" not in done.stderr


# Strange files and strange names


@pytest.fixture
def strange_faces(faces, monkeypatch) -> Path:
    """Create everything that has no bytes of its own beside photographs."""
    real = faces / "real"
    (real / "loop").symlink_to(real)
    (real / "itself.png").symlink_to(real / "itself.png")
    (faces / "elsewhere").mkdir()
    (faces / "elsewhere" / "hidden.png").write_bytes(encode_image(make_image(900)))
    (real / "folder").symlink_to(faces / "elsewhere")
    (real / "nowhere.png").symlink_to(faces / "gone.png")
    os.mkfifo(real / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(real)  # the name of a socket may have 108 bytes
        listening.bind("socket.png")
    if os.geteuid() == 0:
        os.mknod(real / "zero.png", 0o20644, os.makedev(1, 5))
    return faces


def test_what_has_no_bytes_of_its_own_is_listed_at_once(strange_faces, tmp_path):
    start = time.monotonic()
    done = run_command(*build_collect_words(strange_faces), cwd=tmp_path)
    assert done.returncode == 0 and time.monotonic() - start < 20, done.stderr
    reasons = {r.file: r.reason for r in read_rows(tmp_path) if not r.accepted}
    links = dict.fromkeys(
        ("loop", "itself.png", "folder", "nowhere.png"), "symbolic link, not followed"
    )
    nodes = dict.fromkeys(
        ("pipe.png", "socket.png", *(["zero.png"] if os.geteuid() == 0 else [])),
        "not a regular file",
    )
    assert reasons == links | nodes


NAMES = {
    "composed": unicodedata.normalize("NFC", "fac\u00e9.png"),
    "decomposed": unicodedata.normalize("NFD", "fac\u00e9.png"),
    "newline": "a\nb.png",
    "tab": "a\tb.png",
    "dash": "-rf.png",
    "option": "--help.png",
    "long": "x" * 251 + ".png",
    "capitals": "CASE.png",
    "small letters": "case.png",
    "no suffix": "picture",
    "another suffix": "picture.txt",
    "two suffixes": "picture.jpg.exe",
    "quotes": "a'b\"c.png",
    "backslash": "a\\b.png",
    "formula": "=1+1.png",
    "braces": "{0}{name!r}.png",
    "percent": "%s%n%d.png",
    "emoji": "\U0001f642.png",
    "right to left": "\u202egnp.png",
    "no UTF-8": os.fsdecode(b"\xff\xfe.png"),
    "spaces": "  a  .png",
}


def test_every_name_is_collected(faces, tmp_path):
    for number, name in enumerate(NAMES.values()):
        (faces / "real" / name).write_bytes(encode_image(make_image(700 + number)))
    done = run_command(*build_collect_words(faces), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    accepted = {record.file: record for record in read_rows(tmp_path) if record.accepted}
    assert set(NAMES.values()) <= set(accepted)
    originals = {accepted[name].original for name in NAMES.values()}
    assert len(originals) == len(NAMES) and all(
        name.isascii() and " " not in name for name in originals
    )


def test_a_misspelt_folder_is_told_its_name(tmp_path):
    (tmp_path / "photographs").mkdir()
    with pytest.raises(console.PlainError, match="did you mean .*photographs"):
        requested_sources.check_folder_source(str(tmp_path / "photografs"))


# Classes that are out of balance, and pictures that all belong together


def test_pictures_of_one_person_are_warned_of_and_not_trained_on(faces, tmp_path, capsys):
    lines = [f"{file.name},one" for file in (faces / "real").iterdir()]
    (tmp_path / "facts.csv").write_text("\n".join(["file,person", *lines]))
    collect_dataset(settings(faces, facts=(tmp_path / "facts.csv",)))
    assert "split lacks a class" in capsys.readouterr().err
    with pytest.raises(console.PlainError, match=r"lacks a class\. Collect more images"):
        dataset.load_dataset(tmp_path, Path("faces-of-toys"))


def test_one_class_of_ten_times_the_other_is_split_alike(tmp_path):
    faces = write_face_folders(tmp_path / "faces", 10 * MIN_IMAGES_PER_CLASS)
    for path in sorted((faces / "generated").iterdir())[MIN_IMAGES_PER_CLASS:]:
        path.unlink()
    collect_dataset(settings(faces))
    records = manifest.read_manifest(tmp_path / "faces-of-toys")
    counts = Counter((record.label, record.split) for record in records if record.accepted)
    assert all(
        abs(counts["real", split] - 10 * counts["generated", split]) <= 10
        for split in splits.SPLITS
    ), counts


def settings(faces: Path, **more: object) -> CollectionSettings:
    sizes = {
        "image_size": 64,
        "min_side": 48,
        "audit": False,
        "data": faces.parent,
        "dataset": "faces-of-toys",
    }
    return CollectionSettings(
        real=(f"folder:{faces / 'real'}",),
        generated=(f"folder:{faces / 'generated'}",),
        **sizes,
        **more,
    )
