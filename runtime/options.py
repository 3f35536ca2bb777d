"""What the settings of every command share: checks whose errors a command line shows as they are,
and how they are typed."""

import dataclasses
import re
import shlex
from collections.abc import Sequence


def check_ranges(settings: object, **limits: tuple[float, float]) -> None:
    """Raises ValueError for the first option that lies outside its (lowest, highest) value."""
    for name, (low, high) in limits.items():
        value = getattr(settings, name)
        if not low <= value <= high:
            raise ValueError(f"--{name.replace('_', '-')} is {value}; choose {low} to {high}.")


def check_unique_values(option: str, values: Sequence, one: str) -> None:
    """Raises ValueError unless there are values and each is there once; `one` is what a value is
    called."""
    if not values or len(set(values)) != len(values):
        raise ValueError(
            f"--{option} is {' '.join(map(str, values)) or 'empty'}; name each {one} once."
        )


def check_plain_name(option: str, value: str, such_as: str) -> None:
    """Raises ValueError for what would not be the name of a visible folder; the empty name is let
    pass."""
    if re.search(r"^\.|/", value):
        raise ValueError(f"--{option} is {value!r}; give a plain name, such as {such_as}.")


def format_command_line(program: str, settings: object) -> str:
    """The command line that gives these settings: whatever differs from the defaults; for a
    dataclass of plain options."""
    words = program.split()
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if value != field.default:
            option = f"--{field.name.replace('_', '-')}"
            words += [option] if value is True else [option, str(value)]
    return shlex.join(words)
