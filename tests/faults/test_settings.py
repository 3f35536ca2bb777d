"""Whatever is typed after an option of any command: it is accepted, or refused with exit code 2."""

import contextlib
import dataclasses
import importlib
import io
import random
import typing
from collections.abc import Iterator

import pytest
import tyro

from toys.commands import REPOSITORY_ROOT

MODULES = [
    *(
        ".".join(path.relative_to(REPOSITORY_ROOT).with_suffix("").parts)
        for room in REPOSITORY_ROOT.glob("*/__main__.py")
        for path in room.parent.rglob("*settings.py")
    ),
    "data_collection.__main__",
]
ODD = [
    "-1",
    "0",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "9" * 30,
    "",
    "abc",
    "0x10",
    "٣",
    "1_000",
    " 5",
    "1.5",
    "None",
    "true",
]
ODD += ["..", "/", "a/b", "\udcff", "-", "--", "*"]


def classes() -> dict[str, type]:
    found = [
        value
        for name in sorted(set(MODULES))
        for value in vars(importlib.import_module(name)).values()
    ]
    return {
        kind.__name__: kind
        for kind in found
        if isinstance(kind, type) and kind.__name__.endswith("Settings")
    }


def options(kind: type) -> Iterator[str]:
    """The options of a command; those of settings within its settings are in a class of their
    own."""
    for field in dataclasses.fields(kind):
        if field.name not in positional(kind) and not dataclasses.is_dataclass(
            field.default_factory
        ):
            yield f"--{field.name.replace('_', '-')}"


def positional(kind: type) -> list[str]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return [name for name, hint in hints.items() if "Positional" in str(hint)]


@pytest.mark.parametrize("share", [0.1, pytest.param(0.5, marks=pytest.mark.slow)])
def test_odd_values_of_every_option_are_accepted_or_refused(share):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw, tried, refused = random.Random(seed), 0, 0
    for kind in classes().values():
        for option in options(kind):
            for value in ODD:
                if draw.random() < share:
                    tried += 1
                    refused += not accepted(kind, [*positional(kind), f"{option}={value}"])
    assert len(classes()) >= 12 and tried > 2500 * share and refused > tried / 4


def accepted(kind: type, words: list[str]) -> bool:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            tyro.cli(kind, args=words)
    except SystemExit as end:
        assert end.code == 2 and "Traceback" not in said.getvalue(), words
        return False
    return True


@pytest.mark.parametrize("value", ["-1", "9" * 30])
def test_an_audit_with_an_impossible_seed_is_refused(value):
    assert not accepted(classes()["AuditSettings"], ["x", "--seed", value])
