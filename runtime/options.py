"""Check the settings of commands, and format them as a command line."""

import dataclasses
import re
import shlex
from collections.abc import Sequence


def check_ranges(settings: object, **limits: tuple[float, float]) -> None:
    """Raise ValueError for the first option outside its (lowest, highest) value."""
    for name, (low, high) in limits.items():
        value = getattr(settings, name)
        if not low <= value <= high:
            raise ValueError(f"--{name.replace('_', '-')} is {value}; choose {low} to {high}.")


def check_unique_values(option: str, values: Sequence, noun: str) -> None:
    """Raise ValueError unless there are values and none repeats; `noun` names one of them."""
    if not values or len(set(values)) != len(values):
        raise ValueError(
            f"--{option} is {' '.join(map(str, values)) or 'empty'}; name each {noun} once."
        )


def check_plain_name(option: str, value: str, such_as: str) -> None:
    """Raise ValueError unless the value can name a visible folder; an empty value passes."""
    if re.search(r"^\.|/", value):
        raise ValueError(f"--{option} is {value!r}; give a plain name, such as {such_as}.")


def format_command_line(program: str, settings: object) -> str:
    """Return the command line that gives these settings: every value that differs from its
    default. For dataclasses of plain options."""
    arguments = program.split()
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if value != field.default:
            option = field.name.replace("_", "-")
            flags = {True: f"--{option}", False: f"--no-{option}"}
            if isinstance(value, bool):
                arguments += [flags[value]]
            else:
                values = value if isinstance(value, tuple) else (value,)
                arguments += [f"--{option}", *map(str, values)]
    return shlex.join(arguments)
