"""Every value of every option of every command is accepted or refused with exit code 2."""

import contextlib
import dataclasses
import importlib
import io
import random
import typing
from collections.abc import Iterator

import pytest

from runtime import console
from runtime.command_lines import parsing
from toys.commands import REPOSITORY_ROOT

MODULES = [
    *(
        ".".join(path.relative_to(REPOSITORY_ROOT).with_suffix("").parts)
        for room in REPOSITORY_ROOT.glob("*/__main__.py")
        for path in room.parent.rglob("*settings.py")
    ),
    "data_collection.__main__",
]
ODD_VALUES = [
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
ODD_VALUES += ["..", "/", "a/b", "\udcff", "-", "--", "*"]


def find_settings_classes() -> dict[str, type]:
    values = [
        value
        for name in sorted(set(MODULES))
        for value in vars(importlib.import_module(name)).values()
    ]
    return {
        value.__name__: value
        for value in values
        if isinstance(value, type) and value.__name__.endswith("Settings")
    }


def list_options(settings: type) -> Iterator[str]:
    """Yield the options of a command, without those of settings within its settings, which have a
    class of their own."""
    for field in dataclasses.fields(settings):
        is_nested = dataclasses.is_dataclass(field.default_factory)
        if field.name not in list_positional_names(settings) and not is_nested:
            yield f"--{field.name.replace('_', '-')}"


def list_positional_names(settings: type) -> list[str]:
    hints = typing.get_type_hints(settings, include_extras=True)
    return [name for name, hint in hints.items() if "Positional" in str(hint)]


@pytest.mark.parametrize("share", [0.1, pytest.param(0.5, marks=pytest.mark.slow)])
def test_odd_values_of_every_option_are_accepted_or_refused(share):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    generator, n_tried, n_refused = random.Random(seed), 0, 0
    for settings in find_settings_classes().values():
        for option in list_options(settings):
            for value in ODD_VALUES:
                if generator.random() < share:
                    n_tried += 1
                    words = [*list_positional_names(settings), f"{option}={value}"]
                    n_refused += not is_accepted(settings, words)
    assert len(find_settings_classes()) >= 12
    assert n_tried > 2500 * share and n_refused > n_tried / 4


def is_accepted(settings: type, words: list[str]) -> bool:
    output = io.StringIO()
    try:
        with contextlib.redirect_stderr(output), contextlib.redirect_stdout(output):
            parsing.parse_settings(settings, "toy", words)
    except console.PlainError as error:
        assert error.exit_code == 2
        return False
    except SystemExit as end:
        assert end.code == 2 and "Traceback" not in output.getvalue(), words
        return False
    return True


@pytest.mark.parametrize("value", ["-1", "9" * 30])
def test_an_audit_with_an_impossible_seed_is_refused(value):
    assert not is_accepted(find_settings_classes()["AuditSettings"], ["x", "--seed", value])
