"""A folder in an object store is collected like a local one; with a real S3 client and server."""

import subprocess
import sys
import time
import traceback

import pytest

from data_collection import file_sources
from data_collection.dataset import manifest
from data_collection.facts.facts_csv import FactRow
from data_collection.images import decode
from data_collection.services.object_store import is_object_store_url
from data_collection.source_types import UnavailableImage
from data_collection.sources import object_store_folder
from data_collection.sources.object_store_folder import list_object_store_candidates
from runtime import console
from toys.commands import CANARY_SECRET

OBJECTS = {
    "faces/b [1]*?.jpg": b"brackets",
    "faces/deep/er/ü 2.png": b"deep",
    "faces/a.jpg": b"first",
    "faces/": b"",
    "faces/deep/": b"",
    "faces/.hidden.jpg": b"x",
    "faces/.git/c.jpg": b"x",
    "faces/__MACOSX/a.jpg": b"x",
    "faces/Thumbs.db": b"x",
    "faces2/other.jpg": b"x",
}
NAMES = ["a.jpg", "b [1]*?.jpg", "deep/er/ü 2.png"]


@pytest.fixture
def bucket(store):
    """A bucket named `photos` with OBJECTS."""
    for key, data in OBJECTS.items():
        store.put_object(Bucket="photos", Key=key, Body=data)
    return store


@pytest.fixture
def in_memory():
    import fsspec

    store = fsspec.filesystem("memory")
    store.pipe({"/faces/a.jpg": b"first", "/faces/deep/b.jpg": b"second"})
    yield store
    store.rm("/faces", recursive=True)


def deny_access(monkeypatch) -> None:
    """Let the server check keys from here on; it does not know ours."""
    monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0)


def catch_store_error(url: str) -> console.PlainError:
    with pytest.raises(console.PlainError) as caught:
        list_object_store_candidates(url, "real", "faces")
    assert CANARY_SECRET not in "".join(traceback.format_exception(caught.value))
    return caught.value


@pytest.mark.parametrize("url", ["s3://photos/faces", "s3://photos/faces/"])
def test_a_bucket_is_listed_like_a_folder_and_read_one_by_one(bucket, url):
    faces = list_object_store_candidates(url, "real", "faces")
    assert [face.file for face in faces] == NAMES
    assert [face.load() for face in faces] == [b"first", b"brackets", b"deep"]
    assert {(face.label, face.source, face.stable) for face in faces} == {("real", "faces", True)}


def test_a_whole_bucket_is_a_folder_too(bucket):
    assert [
        face.file for face in list_object_store_candidates("s3://photos", "real", "photos")
    ] == [
        *(f"faces/{name}" for name in NAMES),
        "faces2/other.jpg",
    ]


def test_a_second_listing_sees_what_has_come_since(bucket):
    list_object_store_candidates("s3://photos/faces", "real", "faces")
    bucket.put_object(Bucket="photos", Key="faces/new.jpg", Body=b"new")
    assert "new.jpg" in [
        face.file for face in list_object_store_candidates("s3://photos/faces", "real", "faces")
    ]


def test_facts_go_by_path_and_a_photograph_keeps_only_its_person(in_memory):
    facts = {"person": "p1", "prompt": "a face", "seed": 4}
    rows = [FactRow("deep/b.jpg", facts, "line 2 of facts.csv")]
    listings = [
        list_object_store_candidates("memory://faces", label, "faces") for label in manifest.LABELS
    ]
    (_, real), (_, generated) = file_sources.add_facts(listings, rows)
    assert (real.file, real.person, real.prompt, real.seed) == ("deep/b.jpg", "p1", "", None)
    assert (generated.person, generated.prompt, generated.seed) == ("p1", "a face", 4)


def test_what_is_too_large_is_not_even_fetched(bucket, monkeypatch):
    monkeypatch.setattr(decode, "MAX_IMAGE_BYTES", 5)
    first, brackets, _ = list_object_store_candidates("s3://photos/faces", "real", "faces")
    bucket.delete_object(Bucket="photos", Key="faces/b [1]*?.jpg")
    with pytest.raises(UnavailableImage, match="larger than"):
        brackets.load()
    assert first.load() == b"first"


def test_an_object_that_went_away_is_the_only_one_that_fails(bucket):
    first, brackets, _ = list_object_store_candidates("s3://photos/faces", "real", "faces")
    bucket.delete_object(Bucket="photos", Key="faces/a.jpg")
    with pytest.raises(OSError) as caught:
        first.load()
    assert caught.value.strerror == "no longer in the store"
    assert brackets.load() == b"brackets"


def test_a_store_that_does_not_answer_is_one_sentence(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert "s3://photos/faces cannot be used: it does not answer" in str(
        catch_store_error("s3://photos/faces")
    )


def test_access_lost_on_the_way_stops_the_run_without_a_row(bucket, monkeypatch):
    face = list_object_store_candidates("s3://photos/faces", "real", "faces")[0]
    deny_access(monkeypatch)
    with pytest.raises(
        console.PlainError, match="s3://photos/faces/a.jpg cannot be used: access is denied"
    ) as caught:
        face.load()
    assert caught.value.exit_code == console.EXIT_REMOTE


def test_denied_access_is_one_sentence_without_the_key(bucket, monkeypatch):
    deny_access(monkeypatch)
    error = catch_store_error("s3://photos/faces")
    assert (
        "access is denied; check the credentials" in str(error)
        and error.exit_code == console.EXIT_REMOTE
    )


def test_no_credentials_says_which_to_set(bucket, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "set AWS_PROFILE, or AWS_ACCESS_KEY_ID" in str(catch_store_error("s3://photos/faces"))


def test_the_setting_for_public_buckets_does_without_credentials(bucket, monkeypatch):
    import fsspec.config

    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    bucket.put_bucket_acl(Bucket="photos", ACL="public-read")
    monkeypatch.setattr(fsspec.config, "conf", {})
    monkeypatch.setenv("FSSPEC_S3_ANON", "true")
    fsspec.config.set_conf_env(fsspec.config.conf)
    assert [
        face.file for face in list_object_store_candidates("s3://photos/faces", "real", "faces")
    ] == NAMES


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("s3://no-such-bucket/faces", "there is no such bucket or folder"),
        ("s3://photos/typo", "s3://photos/typo holds no files"),
        ("s3://photos/faces/a.jpg", "holds no files; give a folder of images"),
        ("s3://Not_A Bucket/faces", "the name of the bucket is not valid"),
    ],
)
def test_what_is_not_in_the_store_is_named(bucket, url, sentence):
    error = catch_store_error(url)
    assert sentence in str(error) and error.exit_code == console.EXIT_REMOTE


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("https://example.com/faces", "a web page cannot be listed"),
        ("file:///faces", "is given by its path alone"),
        ("s3://", "it needs a bucket"),
        ("teapot://faces", "is not an address of a known kind"),
        (
            f"ftp://me:{CANARY_SECRET}@host/faces",
            "The ftp:// address holds a password; leave it out",
        ),
    ],
)
def test_an_address_of_no_store_says_what_to_give_instead(url, sentence):
    error = catch_store_error(url)
    assert sentence in str(error) and error.exit_code == console.EXIT_USAGE


@pytest.mark.parametrize(
    ("url", "module", "sentence"),
    [
        (
            "s3://photos/faces",
            "s3fs",
            "s3://photos/faces needs s3fs: pip install -r requirements-s3.txt",
        ),
        ("gs://photos/faces", "gcsfs", "gs://photos/faces needs gcsfs: pip install gcsfs"),
        ("oci://photos/faces", "ocifs", "oci://photos/faces needs a package: Install ocifs"),
    ],
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch, url, module, sentence
):
    from fsspec.registry import _registry

    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(_registry, url.partition(":")[0], raising=False)
    error = catch_store_error(url)
    assert sentence in str(error) and error.exit_code == console.EXIT_USAGE


def test_addresses_are_distinguished_from_paths():
    assert [
        is_object_store_url(text)
        for text in ("s3://b/faces", "gs://b", "https://host/x", "memory://x")
    ] == [True] * 4
    assert not any(
        is_object_store_url(text)
        for text in ("faces", "/data/faces", "C:\\faces", "s3:/faces", "./a://b", "~/faces")
    )


def test_paths_on_a_disk_need_none_of_this():
    """Importing the module loads no store, so that --help stays instant."""
    start = time.monotonic()
    code = (
        f"import sys, {object_store_folder.__name__}; "
        "sys.exit(bool({'fsspec', 's3fs'} & sys.modules.keys()))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], cwd=console.__file__.rsplit("/", 2)[0]
        ).returncode
        == 0
    )
    assert time.monotonic() - start < 20
