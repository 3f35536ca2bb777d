"""Texts without the paths of this machine: what is published names neither its folders nor its
user."""

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

PATH_BOUNDARY_PATTERN = r"(?<![\w.:/\\<])"
"""A path begins here: neither within a web address, a closing tag or a relative path, nor in
"and/or"."""

PATH_PART_PATTERN = r"""[^\s"'`<>|:*?/\\()\[\],;]+"""
PATH_START_PATTERN = r"(?:~(?:[a-z_][\w.-]*)?|\.\.|[a-z]:|file:/)[/\\]+"
OUTSIDE_PATH_PATTERN = re.compile(
    rf"{PATH_BOUNDARY_PATTERN}(?:{PATH_START_PATTERN}(?:{PATH_PART_PATTERN}[/\\]+)*|[/\\]{{1,2}}(?:{PATH_PART_PATTERN}[/\\]+)+)(?P<name>{PATH_PART_PATTERN})?",
    re.IGNORECASE,
)
"""A path out of this folder, up to the first blank; `name` is its last part. `/data` alone says
nothing of a machine."""


def is_outside_path(text: str) -> bool:
    """Whether the whole text is a path that is absolute, or leads up out of the folder that the
    command ran in."""
    leads_up = text.startswith(("~", "../", "..\\"))
    absolute = PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()
    return (leads_up or absolute) and PureWindowsPath(text).name != ""


def find_outside_paths(value: Any) -> set[str]:
    """Every path of a JSON value that points outside and stands there alone, blanks in it and
    all."""
    if isinstance(value, dict):
        return find_outside_paths([*value, *value.values()])
    if isinstance(value, list):
        return {path for each in value for path in find_outside_paths(each)}
    return {value} if isinstance(value, str) and is_outside_path(value) else set()


def redact_paths(value: Any, known: Iterable[str] = ()) -> Any:
    """A text, or a JSON value, where nothing but its last part is left of any path that points
    outside.

    Args:
        known: paths that may hold blanks: in running text nobody else knows where they end.
    """
    if isinstance(value, dict):
        return {redact_paths(key, known): redact_paths(each, known) for key, each in value.items()}
    if isinstance(value, list):
        return [redact_paths(each, known) for each in value]
    return _redact_text(value, known) if isinstance(value, str) else value


def _redact_text(text: str, known: Iterable[str]) -> str:
    for path in sorted(known, key=len, reverse=True):
        name = PureWindowsPath(path).name  # it knows both kinds of separators
        text = re.sub(rf"{PATH_BOUNDARY_PATTERN}{re.escape(path)}(?![\w-])", name, text)
    for place in sorted(map(str, (Path.cwd(), Path.home())), key=len, reverse=True):
        if len(PurePosixPath(place).parts) > 1 or not place.startswith("/"):
            text = re.sub(rf"{PATH_BOUNDARY_PATTERN}{re.escape(place)}[/\\]", "", text)
    return OUTSIDE_PATH_PATTERN.sub(lambda found: found["name"] or "", text)


def contains_user_name(text: str) -> bool:
    """Whether the user's name stands in a text as a word, be it by chance: "max" does, in many."""
    name = Path.home().name
    return len(name) > 2 and re.search(rf"\b{re.escape(name)}\b", text) is not None
