"""Checks that the settings of every command share; a command line shows their errors as they are."""

import re


def within(settings: object, **limits: tuple[float, float]) -> None:
    """Raises ValueError for the first option that lies outside its (lowest, highest) value."""
    for name, (low, high) in limits.items():
        value = getattr(settings, name)
        if not low <= value <= high:
            raise ValueError(f"--{name.replace('_', '-')} is {value}; choose {low} to {high}.")


def plain_name(option: str, value: str, such_as: str) -> None:
    """Raises ValueError for what would not be the name of a visible folder; the empty name is let pass."""
    if re.search(r"^\.|/", value):
        raise ValueError(f"--{option} is {value!r}; give a plain name, such as {such_as}.")
