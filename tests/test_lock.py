"""The lock files satisfy the requirements files, and give the hashes of each package."""

import re

import pytest
from packaging.requirements import Requirement

from toys.commands import REPOSITORY_ROOT

LINE = re.compile(
    r"^([a-z0-9][a-z0-9.-]*)==(\S+)[^\\\n]*\\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
    re.MULTILINE,
)


def read_locked_versions(file: str = "requirements.lock") -> dict[str, list[str]]:
    versions: dict[str, list[str]] = {}
    for name, version, _ in LINE.findall((REPOSITORY_ROOT / file).read_text()):
        versions.setdefault(name, []).append(version)
    return versions


def read_requirements(file: str) -> list[str]:
    """Return the lines of a requirements file, with those of the files that it names."""
    lines = []
    for line in (REPOSITORY_ROOT / file).read_text().splitlines():
        text = line.partition("#")[0].strip()
        other = text.removeprefix("-r ")
        lines += read_requirements(other) if other != text else [text] if text else []
    return lines


def test_every_requirement_but_torch_is_locked_in_its_range():
    versions = read_locked_versions()
    specifiers = {
        requirement.name.lower(): requirement.specifier
        for requirement in map(Requirement, read_requirements("requirements.txt"))
    }
    assert specifiers.pop("torch") and "torch" not in versions
    assert not {
        name: versions.get(name)
        for name, specifier in specifiers.items()
        if not any(specifier.contains(version) for version in versions.get(name, []))
    }


@pytest.mark.parametrize(
    ("file", "at_least"), [("requirements.lock", 100), ("requirements-uv.lock", 1)]
)
def test_no_line_of_a_lock_is_without_a_hash(file, at_least):
    text = (REPOSITORY_ROOT / file).read_text()
    n_locked = sum(map(len, read_locked_versions(file).values()))
    assert len(re.findall("^[a-z]", text, re.MULTILINE)) == n_locked >= at_least


def test_the_installer_is_locked_in_its_range():
    (requirement,) = map(Requirement, read_requirements("requirements-uv.txt"))
    (version,) = read_locked_versions("requirements-uv.lock")[requirement.name]
    assert requirement.specifier.contains(version)
