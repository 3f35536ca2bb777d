"""Suggest valid names in place of a mistyped one ("did you mean ...?")."""

import difflib
from collections.abc import Iterable
from pathlib import Path


def find_close_names(name: str, valid_names: Iterable[str], max_count: int = 1) -> list[str]:
    """Return at most `max_count` valid names that resemble `name`, the closest first."""
    return difflib.get_close_matches(name, list(valid_names), n=max_count)


def suggest_folder(path: Path) -> str:
    """Return " (did you mean ...?)" with a folder beside `path` of a similar name, or ""."""
    siblings = path.parent.iterdir() if path.parent.is_dir() else ()
    close = find_close_names(path.name, (folder.name for folder in siblings if folder.is_dir()))
    return f" (did you mean {path.parent / close[0]}?)" if close else ""
