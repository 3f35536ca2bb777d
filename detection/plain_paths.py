"""Texts without the paths of this machine: what is published names neither its folders nor its user."""

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

BEFORE = r"(?<![\w.:/\\<])"
"""A path begins here: neither within a web address, a closing tag or a relative path, nor in "and/or"."""

PART = r"""[^\s"'`<>|:*?/\\()\[\],;]+"""
STARTS = r"(?:~(?:[a-z_][\w.-]*)?|\.\.|[a-z]:|file:/)[/\\]+"
PATH = re.compile(rf"{BEFORE}(?:{STARTS}(?:{PART}[/\\]+)*|[/\\]{{1,2}}(?:{PART}[/\\]+)+)(?P<name>{PART})?", re.IGNORECASE)
"""A path out of this folder, up to the first blank; `name` is its last part. `/data` alone says nothing of a machine."""


def points_outside(text: str) -> bool:
    """Whether the whole text is a path that is absolute, or leads up out of the folder that the command ran in."""
    leads_up = text.startswith(("~", "../", "..\\"))
    absolute = PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()
    return (leads_up or absolute) and PureWindowsPath(text).name != ""


def in_json(value: Any) -> set[str]:
    """Every path of a JSON value that points outside and stands there alone, blanks in it and all."""
    if isinstance(value, dict):
        return in_json([*value, *value.values()])
    if isinstance(value, list):
        return {path for each in value for path in in_json(each)}
    return {value} if isinstance(value, str) and points_outside(value) else set()


def cut(value: Any, known: Iterable[str] = ()) -> Any:
    """A text, or a JSON value, where nothing but its last part is left of any path that points outside.

    Args:
        known: paths that may hold blanks: in running text nobody else knows where they end.
    """
    if isinstance(value, dict):
        return {cut(key, known): cut(each, known) for key, each in value.items()}
    if isinstance(value, list):
        return [cut(each, known) for each in value]
    return _cut(value, known) if isinstance(value, str) else value


def _cut(text: str, known: Iterable[str]) -> str:
    for path in sorted(known, key=len, reverse=True):
        name = PureWindowsPath(path).name  # it knows both kinds of separators
        text = re.sub(rf"{BEFORE}{re.escape(path)}(?![\w-])", name, text)
    for place in sorted(map(str, (Path.cwd(), Path.home())), key=len, reverse=True):
        if len(PurePosixPath(place).parts) > 1 or not place.startswith("/"):
            text = re.sub(rf"{BEFORE}{re.escape(place)}[/\\]", "", text)
    return PATH.sub(lambda found: found["name"] or "", text)


def names_user(text: str) -> bool:
    """Whether the user's name stands in a text as a word, be it by chance: "max" does, in many."""
    name = Path.home().name
    return len(name) > 2 and re.search(rf"\b{re.escape(name)}\b", text) is not None
