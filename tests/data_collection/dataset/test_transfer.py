"""Data sets are copied to a bucket and back: whole, resumable, and only what is missing."""

import traceback

import pytest

from data_collection.dataset import transfer
from runtime import atomic_files, console
from toys.commands import CANARY_SECRET, run_command
from toys.images import write_face_folders

URL = "s3://photos/sets/faces"


@pytest.fixture
def collected(tmp_path):
    """Write a data set with features, and with files that are not copied."""
    folder = tmp_path / "data" / "faces"
    for name in (
        "originals/real/a ü.jpg",
        "originals/generated/b.png",
        "features/base/view0.npz",
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
    atomic_files.write_atomically(collected / "originals/real/c.jpg", b"new")
    transfer.upload_dataset(collected, URL)
    # The new original, and the three files whose name and size say nothing about their content.
    assert read_copied_count(capsys) == 4
    transfer.download_dataset(URL, tmp_path / "elsewhere")
    atomic_files.write_atomically(tmp_path / "elsewhere/originals/real/c.jpg", b"broken off")
    capsys.readouterr()
    transfer.download_dataset(URL, tmp_path / "elsewhere")
    assert (
        read_copied_count(capsys) == 4
        and (tmp_path / "elsewhere/originals/real/c.jpg").read_bytes() == b"new"
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


def test_a_name_that_leads_out_of_the_folder_is_refused(collected, store, tmp_path):
    transfer.upload_dataset(collected, URL)
    store.put_object(Bucket="photos", Key="sets/faces/originals/../../../evil.jpg", Body=b"x")
    with pytest.raises(
        console.PlainError,
        match=r"has a file originals/\.\./\.\./\.\./evil\.jpg, which would lie outside",
    ):
        transfer.download_dataset(URL, tmp_path / "a" / "b" / "c")
    assert not list(tmp_path.rglob("evil*"))


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
