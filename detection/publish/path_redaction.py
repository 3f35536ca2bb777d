"""Remove the paths and the user name of this machine from published texts."""

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

PATH_BOUNDARY_PATTERN = r"(?<![\w.:/\\<])"
"""Start of a path: not within a web address, a closing tag or a relative path, nor in "and/or"."""

PATH_PART_PATTERN = r"""[^\s"'`<>|:*?/\\()\[\],;]+"""
PATH_START_PATTERN = r"(?:~(?:[a-z_][\w.-]*)?|\.\.|[a-z]:|file:/)[/\\]+"
OUTSIDE_PATH_PATTERN = re.compile(
    rf"{PATH_BOUNDARY_PATTERN}(?:{PATH_START_PATTERN}(?:{PATH_PART_PATTERN}[/\\]+)*|[/\\]{{1,2}}(?:{PATH_PART_PATTERN}[/\\]+)+)(?P<name>{PATH_PART_PATTERN})?",
    re.IGNORECASE,
)
"""A path outside this folder, up to the first blank; `name` is its last part. `/data` alone reveals
nothing about a machine."""


def is_outside_path(text: str) -> bool:
    """Return whether the whole text is an absolute path, or a path that leaves the current
    folder."""
    leads_up = text.startswith(("~", "../", "..\\"))
    absolute = PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()
    return (leads_up or absolute) and PureWindowsPath(text).name != ""


def find_outside_paths(value: Any) -> set[str]:
    """Return the strings of a JSON value that are paths outside this folder as a whole, blanks
    included."""
    if isinstance(value, dict):
        return find_outside_paths([*value, *value.values()])
    if isinstance(value, list):
        return {path for item in value for path in find_outside_paths(item)}
    return {value} if isinstance(value, str) and is_outside_path(value) else set()


def redact_paths(value: Any, known: Iterable[str] = ()) -> Any:
    """Shorten every path outside this folder to its last part, in a text or a JSON value.

    Args:
        known: paths that may contain blanks; in running text their ends cannot be recognised.
    """
    if isinstance(value, dict):
        return {redact_paths(key, known): redact_paths(item, known) for key, item in value.items()}
    if isinstance(value, list):
        return [redact_paths(item, known) for item in value]
    return _redact_text(value, known) if isinstance(value, str) else value


def _redact_text(text: str, known: Iterable[str]) -> str:
    for path in sorted(known, key=len, reverse=True):
        name = PureWindowsPath(path).name  # handles both separators
        text = re.sub(rf"{PATH_BOUNDARY_PATTERN}{re.escape(path)}(?![\w-])", name, text)
    for folder in sorted(map(str, (Path.cwd(), Path.home())), key=len, reverse=True):
        if len(PurePosixPath(folder).parts) > 1 or not folder.startswith("/"):
            text = re.sub(rf"{PATH_BOUNDARY_PATTERN}{re.escape(folder)}[/\\]", "", text)
    return OUTSIDE_PATH_PATTERN.sub(lambda match: match["name"] or "", text)


def contains_user_name(text: str) -> bool:
    """Return whether a text contains the user's name as a word, perhaps by chance, as with
    "max"."""
    name = Path.home().name
    return len(name) > 2 and re.search(rf"\b{re.escape(name)}\b", text) is not None
