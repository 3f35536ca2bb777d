"""`requirements.lock` satisfies `requirements.txt`, and gives the hashes of each package."""

import re

from packaging.requirements import Requirement

from toys.commands import REPOSITORY_ROOT

LINE = re.compile(
    r"^([a-z0-9][a-z0-9.-]*)==(\S+)[^\\\n]*\\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
    re.MULTILINE,
)


def locked() -> dict[str, list[str]]:
    versions: dict[str, list[str]] = {}
    for name, version, _ in LINE.findall((REPOSITORY_ROOT / "requirements.lock").read_text()):
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
    versions = locked()
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


def test_no_line_of_the_lock_is_without_a_hash():
    text = (REPOSITORY_ROOT / "requirements.lock").read_text()
    assert len(re.findall("^[a-z]", text, re.MULTILINE)) == sum(map(len, locked().values())) > 100
