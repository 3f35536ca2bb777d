"""Suggest the closest valid name for one that was mistyped ("did you mean ...?")."""

import difflib
from pathlib import Path


def suggest_folder(path: Path) -> str:
    names = (
        [each.name for each in path.parent.iterdir() if each.is_dir()]
        if path.parent.is_dir()
        else []
    )
    close = difflib.get_close_matches(path.name, names, n=1)
    return f" (did you mean {path.parent / close[0]}?)" if close else ""
