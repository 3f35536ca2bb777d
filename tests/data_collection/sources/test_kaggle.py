"""Kaggle's data sets: from the cache, and with the real client from a server on this machine."""

import base64
import errno
import hashlib
import io
import json
import os
import stat
import subprocess
import sys
import tarfile
import threading
import time
import traceback
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from data_collection import file_sources
from data_collection.facts.facts_csv import FactRow
from data_collection.services import kaggle_client
from data_collection.settings import CollectionSettings
from data_collection.source_types import RequestedSource, SourceRequest, UnavailableImage
from data_collection.sources import kaggle as kaggle_source
from data_collection.sources.kaggle import KAGGLE
from runtime import console
from toys.commands import mount_small_disk

SECRET = "canary-token-93b1"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache, no credentials but a token, and a Kaggle that cannot be reached."""
    for name in (
        "KAGGLE_USERNAME",
        "KAGGLE_KEY",
        "KAGGLE_KERNEL_RUN_TYPE",
        "no_proxy",
        "NO_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLE_API_TOKEN", SECRET)
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    # The client's setting for a server on port 80 of this machine; a proxy maps it to any port.
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    # It looks for a name to tell Kaggle, for seconds in a process that has imported this much.
    monkeypatch.setattr("kagglehub.clients.get_user_agent", lambda: "kagglehub")
    return tmp_path / "cache"


def make_zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, data in files.items():
            zipped.writestr(name, data)
    return buffer.getvalue()


@dataclass
class Kaggle:
    """State of the server: it answers every call with `status`, a download with `body`."""

    status: int = 200
    version: int = 3
    body: bytes = make_zip(
        {"Humans/1 (2).jpg": b"two", "Humans/1 (10).jpg": b"ten", "about.csv": b"a,b"}
    )
    checksum: str = ""
    slow: bool = False
    calls: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)


@pytest.fixture
def kaggle(monkeypatch) -> Kaggle:
    state = Kaggle()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            for _ in range(20 * state.slow):
                self.wfile.write(b" ")
                time.sleep(0.1)
            self.answer(200, "text/html", b"")

        def do_POST(self):
            state.calls.append(self.path.rpartition("/")[2])
            state.keys.add(self.headers.get("Authorization", ""))
            self.rfile.read(int(self.headers["Content-Length"]))
            if state.status != 200:
                # A server may well repeat the key that it was given.
                message = {
                    "code": state.status,
                    "message": f"refused: {self.headers.get('Authorization')}",
                }
                self.answer(state.status, "application/json", json.dumps(message).encode())
            elif self.path.endswith("GetDataset"):
                self.answer(
                    200,
                    "application/json",
                    json.dumps({"currentVersionNumber": state.version}).encode(),
                )
            else:
                self.answer(200, "application/zip", state.body)

        def answer(self, status, kind, body):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("X-Kaggle-HubVersion", "99.0.0")
            if state.checksum:
                self.send_header("x-goog-hash", f"md5={state.checksum}")
            self.end_headers()
            self.wfile.write(body if self.command == "POST" else b"")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_address[1]}")
    yield state
    server.shutdown()
    server.server_close()


def cache_dataset(
    cache: Path, *names: str, dataset: str = "ashwingupta3012/human-faces", version: int = 1
) -> Path:
    """Put a data set into the cache as kagglehub leaves it."""
    folder = cache / "datasets" / dataset / "versions" / str(version)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (cache / "datasets" / dataset / f"{version}.complete").touch()
    return folder


def make_request(argument: str, **settings: object) -> SourceRequest:
    return SourceRequest(
        argument=argument, source_name="humans", settings=CollectionSettings(**settings)
    )


def list_files(argument: str, **settings: object) -> list[str]:
    return [face.file for face in KAGGLE.list_candidates(make_request(argument, **settings))]


def catch_remote_error(argument: str) -> console.PlainError:
    with pytest.raises(console.PlainError) as caught:
        KAGGLE.list_candidates(make_request(argument))
    assert caught.value.exit_code == console.EXIT_REMOTE
    return caught.value


def test_a_pinned_data_set_in_the_cache_needs_no_network(cache):
    cache_dataset(
        cache,
        "Humans/1 (10).jpg",
        "Humans/1 (2).jpg",
        "Humans/1 (1).jpg",
        ".hidden.jpg",
        "__MACOSX/face.jpg",
        "notes.txt",
    )
    faces = KAGGLE.list_candidates(make_request(""))
    assert [face.file for face in faces] == [
        "Humans/1 (1).jpg",
        "Humans/1 (2).jpg",
        "Humans/1 (10).jpg",
        "notes.txt",
    ]
    assert {(face.label, face.source, face.stable) for face in faces} == {("real", "humans", True)}
    assert faces[2].load() == b"Humans/1 (10).jpg"
    assert list_files("2") == ["Humans/1 (1).jpg", "Humans/1 (2).jpg"]


def test_a_link_in_a_data_set_is_not_followed(cache, tmp_path):
    (tmp_path / "secret.jpg").write_text("secret")
    (cache_dataset(cache, "1.jpg") / "2.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(UnavailableImage, match="not followed"):
        KAGGLE.list_candidates(make_request("2"))[1].load()


def test_a_longer_draw_begins_with_the_shorter_one(cache):
    cache_dataset(cache, *(f"{number}.jpg" for number in range(60)))
    draws = {seed: list_files("20", kaggle_draw="random", seed=seed) for seed in (0, 1)}
    assert list_files("50", kaggle_draw="random", seed=0)[:20] == draws[0]
    assert draws[0] != draws[1]
    assert draws[0] != list_files("20")
    assert len(set(list_files("", kaggle_draw="random"))) == 60


def test_persons_of_a_csv_reach_the_photographs(cache):
    cache_dataset(cache, "a/1.jpg")
    rows = [FactRow("a/1.jpg", {"person": "p1", "prompt": "a face"}, "line 2 of facts.csv")]
    request = make_request("1")
    [[face]] = file_sources.list_files([RequestedSource("real", KAGGLE, request)], rows, [])
    assert (face.person, face.prompt) == ("p1", "")


def test_a_name_is_ambiguous_even_if_the_draw_leaves_the_other_file_out(cache):
    cache_dataset(cache, "a/1.jpg", "b/1.jpg")
    rows = [FactRow("1.jpg", {"person": "p1"}, "line 2 of facts.csv")]
    with pytest.raises(console.PlainError, match=r"means 2 files, a/1\.jpg, b/1\.jpg"):
        file_sources.list_files([RequestedSource("real", KAGGLE, make_request("1"))], rows, [])


def test_more_than_there_is_warns_with_both_numbers(cache, capsys):
    cache_dataset(cache, "1.jpg", "2.jpg")
    assert len(list_files("700")) == 2
    assert (
        "asks for 700 files, but ashwingupta3012/human-faces/versions/1 holds 2"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    "argument",
    [
        "0",
        "many",
        "700@faces",
        "7@../x",
        "7@a/b/versions/0",
        "7@a/b/versions/x",
        "a/b",
        "7@a/..",
        "7@a/b:../c",
    ],
)
def test_an_argument_that_means_nothing_shows_how_to_write_it(argument):
    with pytest.raises(
        console.PlainError, match="is not understood; write kaggle:700, or"
    ) as caught:
        KAGGLE.list_candidates(make_request(argument))
    assert caught.value.exit_code == console.EXIT_USAGE


def test_a_data_set_of_both_classes_is_refused_and_one_folder_of_it_can_be_taken(cache):
    folders = [f"a/{split}/{name}" for split in ("test", "train") for name in ("real", "fake")]
    cache_dataset(cache, *(f"{folder}/{number}.jpg" for folder in folders for number in range(3)))

    def collect(argument: str) -> list[str]:
        requested = RequestedSource("real", KAGGLE, make_request(argument))
        [faces] = file_sources.list_files([requested], [], [])
        return [face.file for face in faces]

    handle = "ashwingupta3012/human-faces/versions/1"
    with pytest.raises(
        console.PlainError,
        match=rf"4 of 7 files of humans contradict --real .*, as in --real "
        rf"kaggle:7@{handle}:a/test/real; names",
    ):
        collect(f"7@{handle}")
    assert collect(f"2@{handle}:a/train/real/") == ["0.jpg", "1.jpg"]
    name = KAGGLE.make_name(f"2@{handle}:a/train/real", CollectionSettings())
    assert name == f"{handle}/a/train/real"


@pytest.mark.parametrize("inside", ["train/none", "0.jpg", "link"])
def test_a_folder_that_the_data_set_lacks_is_a_sentence_with_those_that_it_has(
    cache, tmp_path, inside
):
    folder = cache_dataset(cache, "train/real/0.jpg", "0.jpg")
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises(console.PlainError, match=rf"has no folder {inside}; it holds .*train/real"):
        list_files(f"@ashwingupta3012/human-faces/versions/1:{inside}")


def test_rows_are_named_after_the_data_set():
    settings = CollectionSettings()
    assert KAGGLE.make_name("700", settings) == "ashwingupta3012/human-faces/versions/1"
    assert KAGGLE.make_name("7@someone/portraits", settings) == "someone/portraits"


def test_a_data_set_is_downloaded_once_and_then_read_offline(kaggle, monkeypatch, capsys):
    kaggle.checksum = base64.b64encode(hashlib.md5(kaggle.body).digest()).decode()
    first = list_files("3@some/people/versions/2")
    assert first == ["Humans/1 (2).jpg", "Humans/1 (10).jpg", "about.csv"]
    assert kaggle.calls == ["DownloadDataset"]
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert list_files("3@some/people/versions/2") == first
    assert kaggle.keys == {f"Bearer {SECRET}"}
    assert capsys.readouterr().out == ""


def test_without_a_version_the_newest_is_fetched_if_kaggle_answers(kaggle, cache):
    cache_dataset(cache, "old.jpg", dataset="some/people", version=2)
    assert "about.csv" in list_files("@some/people")
    assert kaggle.calls == ["GetDataset", "DownloadDataset"]
    assert "about.csv" in list_files("@some/people/versions/3")


def test_without_a_version_and_without_kaggle_the_newest_of_the_cache_is_taken(cache, capsys):
    for version in (2, 9, 10):
        cache_dataset(cache, f"{version}.jpg", dataset="some/people", version=version)
    (cache / "datasets" / "some/people" / "versions" / "11").mkdir()  # an unfinished download
    (cache / "datasets" / "some/people" / "12.complete").touch()  # one whose folder was removed
    assert list_files("@some/people") == ["10.jpg"]
    stderr = capsys.readouterr().err
    assert "Using version 10 of some/people" in stderr
    assert "write @some/people/versions/10" in stderr


def test_another_version_is_no_substitute_for_the_one_asked_for(cache):
    cache_dataset(cache, "1.jpg", dataset="some/people", version=4)
    assert "some/people/versions/5 is not in the cache" in str(
        catch_remote_error("7@some/people/versions/5")
    )


def test_kaggle_out_of_reach_is_one_sentence_with_a_way_out():
    error = catch_remote_error("700")
    assert (
        "ashwingupta3012/human-faces/versions/1 is not in the cache, and Kaggle does not answer"
        in str(error)
    )
    assert "give --real folder:PATH" in str(error)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "does not accept the credentials"),
        (403, "asks for your consent on https://www.kaggle.com/datasets/some/people"),
        (
            404,
            "has no such data set or version; look at https://www.kaggle.com/datasets/some/people",
        ),
        (429, "wait a while"),
        (500, "answers with HTTP status 500"),
    ],
)
def test_a_refusal_says_what_to_do_and_never_the_key(kaggle, capfd, status, sentence):
    kaggle.status = status
    error = catch_remote_error("7@some/people/versions/2")
    assert sentence in str(error) and "some/people/versions/2: Kaggle" in str(error)
    shown = "".join(traceback.format_exception(error)) + "".join(capfd.readouterr())
    assert SECRET in "".join(kaggle.keys)
    assert SECRET not in shown and "refused:" not in shown


def test_the_clients_test_mode_shows_no_key_either(kaggle, capfd, monkeypatch):
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "TEST")
    assert len(list_files("@some/people")) == 3
    assert SECRET in "".join(kaggle.keys)
    assert SECRET not in "".join(capfd.readouterr())


def test_a_wrong_checksum_keeps_nothing_and_the_next_run_gets_it(kaggle, cache):
    kaggle.checksum = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    assert "arrived damaged and was removed; run again" in str(
        catch_remote_error("7@some/people/versions/2")
    )
    assert [path for path in cache.rglob("*") if path.is_file()] == []
    kaggle.checksum = ""
    assert len(list_files("3@some/people/versions/2")) == 3


def test_an_archive_that_cannot_be_opened_is_not_taken_for_a_finished_download(kaggle):
    whole = kaggle.body
    kaggle.body = b"<html>sign in</html>".ljust(len(whole))
    assert "arrived damaged" in str(catch_remote_error("7@some/people/versions/2"))
    kaggle.body = whole
    assert len(list_files("3@some/people/versions/2")) == 3


def test_an_archive_writes_nothing_outside_its_folder(kaggle, tmp_path):
    kaggle.body = make_zip(
        {"../../../../../../out.jpg": b"x", str(tmp_path / "absolute.jpg"): b"x", "1.jpg": b"x"}
    )
    KAGGLE.list_candidates(make_request("@some/people/versions/2"))
    inside = tmp_path / "cache" / "datasets" / "some" / "people" / "versions" / "2"
    written = [path for path in tmp_path.rglob("*.jpg")]
    assert len(written) == 3 and all(path.is_relative_to(inside) for path in written)


def make_tar(*members: tuple[str, bytes, str]) -> bytes:
    """Return a tar of members: name, kind, and content or (of a link) target."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar_file:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type, data = kind, content.encode() if kind == tarfile.REGTYPE else b""
            member.linkname, member.size = ("" if data else content), len(data)
            tar_file.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def make_link(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.create_system, member.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return member


def encrypt_zip(body: bytes) -> bytes:
    """Return the archive with the encryption flag set in both of its headers."""
    data = bytearray(body)
    for header, flags in ((body.index(b"PK\3\4"), 6), (body.index(b"PK\1\2"), 8)):
        data[header + flags] |= 1
    return bytes(data)


@pytest.mark.parametrize(
    "body",
    [
        encrypt_zip(make_zip({"1.jpg": b"x"})),
        make_tar(("1.jpg", tarfile.REGTYPE, "x"), ("../../../../../out.jpg", tarfile.REGTYPE, "x")),
        make_tar(("way", tarfile.SYMTYPE, "../../../../.."), ("way/out.jpg", tarfile.REGTYPE, "x")),
        make_tar(("way", tarfile.SYMTYPE, "/"), ("1.jpg", tarfile.REGTYPE, "x")),
        make_tar(("out.jpg", tarfile.LNKTYPE, "../../../../../secret")),
        make_tar(("device.jpg", tarfile.CHRTYPE, "")),
        make_tar(("1.jpg", tarfile.REGTYPE, "x" * 5000))[:-40],
    ],
    ids=[
        "encrypted",
        "tar to outside",
        "through a link",
        "link to outside",
        "hard link to outside",
        "device",
        "torn tar",
    ],
)
def test_an_archive_that_was_made_to_hurt_is_refused(kaggle, tmp_path, body):
    (tmp_path / "secret").write_text("secret")
    kaggle.body = body
    assert "arrived damaged and was removed" in str(catch_remote_error("@some/people/versions/2"))
    outside = {
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and not path.is_relative_to(tmp_path / "cache")
    }
    assert outside == {tmp_path / "secret"}


def test_an_absolute_name_in_a_tar_stays_inside(kaggle, tmp_path):
    kaggle.body = make_tar((str(tmp_path / "out.jpg"), tarfile.REGTYPE, "x"))
    assert list_files("@some/people/versions/2") == [str(tmp_path / "out.jpg").lstrip("/")]
    assert not (tmp_path / "out.jpg").exists()


def test_a_link_in_an_archive_becomes_a_file_that_holds_its_target(kaggle, tmp_path):
    (tmp_path / "secret").write_text("secret")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        zipped.writestr(make_link("1.jpg"), str(tmp_path / "secret"))
    kaggle.body = buffer.getvalue()
    (face,) = KAGGLE.list_candidates(make_request("@some/people/versions/2"))
    assert face.load() == str(tmp_path / "secret").encode()


def test_an_archive_in_an_archive_is_not_unpacked(kaggle):
    kaggle.body = make_zip({"1.jpg": b"x", "more.zip": make_zip({"2.jpg": b"x"})})
    assert list_files("@some/people/versions/2") == ["1.jpg", "more.zip"]


def test_an_archive_that_grows_without_end_fills_its_disk_and_says_so(kaggle, cache, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as zipped:
        zipped.writestr("1.jpg", bytes(50_000_000))
    kaggle.body = buffer.getvalue()
    with mount_small_disk(cache, "1m"):
        with pytest.raises(OSError) as caught:
            KAGGLE.list_candidates(make_request("1@some/people/versions/2"))
        assert console.explain_os_error_or_raise(caught.value).exit_code == console.EXIT_DISK
        assert [path for path in tmp_path.rglob("*.jpg") if not path.is_relative_to(cache)] == []
        assert (
            kaggle_client.find_cached_versions(
                kaggle_source.parse_kaggle_argument("1@some/people/versions/2")
            )
            == {}
        )


def test_a_damaged_credentials_file_is_named(kaggle, tmp_path, monkeypatch):
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "kaggle.json").write_text(f'{{"key": "{SECRET}"')
    error = catch_remote_error("7@some/people/versions/2")
    assert "kaggle.json is damaged" in str(error)
    assert SECRET not in "".join(traceback.format_exception(error))


def test_a_full_disk_is_an_error_that_a_person_can_mend(kaggle, cache):
    kaggle.body = make_zip({"1.jpg": os.urandom(300_000)})
    with mount_small_disk(cache, "400k"):
        with pytest.raises(OSError) as caught:
            KAGGLE.list_candidates(make_request("1@some/people/versions/2"))
        assert caught.value.errno == errno.ENOSPC and caught.value.errno in console.ERRNO_ADVICE
        subprocess.run(["mount", "-o", "remount,size=2m", cache], check=True)
        assert list_files("1@some/people/versions/2") == ["1.jpg"]


def list_statuses(argument: str) -> list[tuple[bool, str]]:
    requirements = KAGGLE.list_requirements(make_request(argument))
    assert all(requirement.alternative == "--real folder:PATH" for requirement in requirements)
    return [(requirement.met, requirement.status) for requirement in requirements]


def test_requirements_distinguish_the_cache_an_answer_and_silence(kaggle, cache, monkeypatch):
    installed = (True, "installed")
    assert list_statuses("700") == [installed, (True, "not in the cache, Kaggle answers")]
    assert list_statuses("7@some/people") == [installed, (True, "Kaggle answers")]
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert list_statuses("700") == [
        installed,
        (False, "not in the cache, and Kaggle does not answer"),
    ]
    cache_dataset(cache, "1.jpg")
    assert list_statuses("700") == [(True, "in the cache")]
    cache_dataset(cache, "1.jpg", dataset="some/people", version=4)
    assert list_statuses("7@some/people") == [
        installed,
        (True, "Kaggle does not answer, version 4 is in the cache"),
    ]
    assert list_statuses("7@some/people/versions/5")[1][0] is False


def test_requirements_wait_no_longer_than_the_probe(kaggle, monkeypatch):
    """A server that keeps sending a little at a time never lets a single read time out."""
    kaggle.slow = True
    monkeypatch.setattr(kaggle_client, "KAGGLE_PROBE_TIMEOUT_S", 0.3)
    start = time.monotonic()
    assert list_statuses("700")[1][0] is False
    assert time.monotonic() - start < 1.5


def test_requirements_name_a_missing_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    assert list_statuses("700")[0] == (False, "missing: pip install -r requirements.txt")
