"""Data sets are copied to a bucket and back: whole, resumable, and only what is missing."""

import shutil
import traceback

import pytest

from data_collection.dataset import transfer, transferred_files
from runtime import atomic_files, console
from toys.commands import CANARY_SECRET, run_command
from toys.images import write_face_folders

URL = "s3://photos/sets/faces"
ORIGINAL, GENERATED, LATER = (
    f"originals/{label}/{letter * 2}/{letter * 64}.{suffix}"
    for label, letter, suffix in (
        ("real", "a", "jpg"),
        ("generated", "b", "png"),
        ("real", "c", "jpg"),
    )
)
FEATURES = f"features/base-64-{'d' * 12}/view0-{'e' * 16}.npz"


@pytest.fixture
def collected(tmp_path):
    """Write a data set with features, and with files that are not copied."""
    folder = tmp_path / "data" / "faces"
    for name in (
        ORIGINAL,
        GENERATED,
        FEATURES,
        "boundaries/x.npy",
    ):
        atomic_files.write_atomically(folder / name, name.encode() * 3)
    for name in (
        "manifest.jsonl",
        "splits.json",
        "settings.json",
        ".lock",
        "searches/1/oracle.json",
    ):
        atomic_files.write_atomically(folder / name, name.encode())
    return folder


def contents(folder) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def read_copied_count(capsys) -> int:
    last = capsys.readouterr().err.strip().splitlines()[-1]
    return int(last.rpartition(": ")[2].split()[0])


def test_an_uploaded_data_set_comes_back_byte_for_byte(collected, store, tmp_path, capsys):
    transfer.upload_dataset(collected, URL)
    assert read_copied_count(capsys) == 6
    transfer.download_dataset(URL, tmp_path / "elsewhere")
    assert read_copied_count(capsys) == 6
    local, downloaded = contents(collected), contents(tmp_path / "elsewhere")
    assert local.keys() - downloaded.keys() == {"boundaries/x.npy", "searches/1/oracle.json"}
    assert all(local[name] == downloaded[name] for name in downloaded if name != ".lock")


def test_a_second_time_only_what_may_have_changed_is_copied(collected, store, tmp_path, capsys):
    transfer.upload_dataset(collected, URL)
    atomic_files.write_atomically(collected / LATER, b"new")
    transfer.upload_dataset(collected, URL)
    # The new original, and the three files whose name and size say nothing about their content.
    assert read_copied_count(capsys) == 4
    transfer.download_dataset(URL, tmp_path / "elsewhere")
    atomic_files.write_atomically(tmp_path / "elsewhere" / LATER, b"broken off")
    capsys.readouterr()
    transfer.download_dataset(URL, tmp_path / "elsewhere")
    assert (
        read_copied_count(capsys) == 4 and (tmp_path / "elsewhere" / LATER).read_bytes() == b"new"
    )


def test_a_broken_copy_has_no_manifest_and_goes_on(collected, store, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(transfer, "FILES_PER_TRANSFER", 2)
    transfer.upload_dataset(collected, URL)
    written, write = [], atomic_files.write_atomically

    def interrupted(path, data):
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(path)
        write(path, data)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(atomic_files, "write_atomically", interrupted)
        transfer.download_dataset(URL, tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere" / "manifest.jsonl").exists()
    transfer.download_dataset(URL, tmp_path / "elsewhere")
    assert len(contents(tmp_path / "elsewhere")) == 7  # and the lock


def test_files_that_no_data_set_has_are_left_where_they_are(collected, store, tmp_path, capsys):
    transfer.upload_dataset(collected, URL)
    strange = ("evil.py", "audit.html", "originals/../../../evil.jpg", "originals/real/evil.jpg")
    for name in (*strange, "a\0b", "/etc/evil", f"{ORIGINAL}/evil", "searches/evil.json"):
        store.put_object(Bucket="photos", Key=f"sets/faces/{name}", Body=b"<script>")
    capsys.readouterr()
    transfer.download_dataset(URL, tmp_path / "a" / "b" / "c")
    assert len(contents(tmp_path)) == len(contents(collected)) + 7  # six, and the lock
    assert not list(tmp_path.rglob("*evil*")) and not list(tmp_path.rglob("audit.html"))
    assert "other files were left there" in capsys.readouterr().err


def test_a_link_in_the_folder_is_not_written_through(collected, store, tmp_path):
    transfer.upload_dataset(collected, URL)
    outside, target = tmp_path / "outside", tmp_path / "target"
    for link in ("originals", "originals/real", "features"):
        outside.mkdir(exist_ok=True)
        (target / link).parent.mkdir(parents=True, exist_ok=True)
        (target / link).symlink_to(outside)
        with pytest.raises(console.PlainError, match=f"{link} is a link, so files would be"):
            transfer.download_dataset(URL, target)
        assert not contents(outside)
        (target / link).unlink()


def test_what_is_larger_than_it_can_be_or_than_the_disk_is_not_fetched(
    collected, store, tmp_path, monkeypatch
):
    transfer.upload_dataset(collected, URL)
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
        with pytest.raises(console.PlainError, match="GB left; free some space") as caught:
            transfer.download_dataset(URL, tmp_path / "full")
        assert caught.value.exit_code == console.EXIT_DISK
    limits = {row: 10 for row in transferred_files.MAX_BYTES_BY_NAME}
    monkeypatch.setattr(transferred_files, "MAX_BYTES_BY_NAME", limits)
    with pytest.raises(console.PlainError, match="bytes and may have 10;"):
        transfer.download_dataset(URL, tmp_path / "large")
    assert not (tmp_path / "full" / "manifest.jsonl").exists() and not (tmp_path / "large").exists()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("s3://photos/none", "holds no data set"),
        ("s3://no-such-bucket/x", "holds no data set"),
        ("faces", "does not name a folder in a store"),
    ],
)
def test_where_there_is_nothing_one_sentence_says_so(store, tmp_path, url, sentence):
    with pytest.raises(console.PlainError, match=sentence) as caught:
        transfer.download_dataset(url, tmp_path / "here")
    assert CANARY_SECRET not in "".join(traceback.format_exception(caught.value))


def test_an_upload_without_a_bucket_or_a_data_set_is_refused(collected, store):
    with pytest.raises(
        console.PlainError, match="cannot be used: there is no such bucket or folder"
    ):
        transfer.upload_dataset(collected, "s3://no-such-bucket/x")
    with pytest.raises(console.PlainError, match="holds no data set"):
        transfer.upload_dataset(collected / "originals", URL)


def test_lost_access_is_one_sentence_without_the_key(collected, store, monkeypatch):
    monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0)
    with pytest.raises(console.PlainError, match="access is denied") as caught:
        transfer.upload_dataset(collected, URL)
    assert CANARY_SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.slow
def test_a_downloaded_data_set_trains_as_before(store, tmp_path):
    faces = write_face_folders(tmp_path / "pictures", 24)
    sources = ["--real", f"folder:{faces / 'real'}", "--generated", f"folder:{faces / 'generated'}"]
    small = ["--image-size", 64, "--min-side", 48, "--no-audit"]
    train = [
        "training",
        "--weights",
        "random",
        "--bases",
        "mobilenet_v2",
        "--sizes",
        64,
        "--trials",
        2,
        "--dataset",
    ]
    for words in (
        ["data_collection", *sources, *small],
        [*train, "data/faces"],
        ["data_collection", "upload", "data/faces", URL],
        ["data_collection", "download", URL, "data/again"],
    ):
        done = run_command(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    done = run_command(*train, "data/again", cwd=tmp_path)
    assert done.returncode == 0 and "mobilenet_v2: 0 forward passes" in done.stderr, done.stderr
