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


def test_every_requirement_but_torch_is_locked_in_its_range():
    versions = locked()
    lines = [
        line.partition("#")[0].strip()
        for line in (REPOSITORY_ROOT / "requirements.txt").read_text().splitlines()
    ]
    specifiers = {
        requirement.name.lower(): requirement.specifier
        for requirement in map(Requirement, filter(None, lines))
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
