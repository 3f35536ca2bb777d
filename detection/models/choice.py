"""Keep the user's choice of a detector in a small file in the folder of all saved ones."""

import json
from pathlib import Path

from runtime import atomic_files, checked_json, console

CHOICE_FILE = "chosen.json"

USE_COMMAND = "python -m detection models use"

CHOICE_ADVICE = f"Choose another with {USE_COMMAND} NAME, or none with {USE_COMMAND} --none."


def read_choice(folder: Path) -> str:
    """Return the name of the chosen detector; empty if none was chosen.

    Raises:
        PlainError: the file is damaged.
    """
    path = folder / CHOICE_FILE
    if not path.is_file():
        return ""
    try:
        name = checked_json.parse_json(path.read_bytes())["detector"]
        if name != Path(name).name:
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise console.PlainError(
            f"{path} is damaged. {CHOICE_ADVICE}", console.EXIT_BAD_MODEL
        ) from None
    return name


def write_choice(folder: Path, name: str) -> None:
    content = json.dumps({"detector": name}) + "\n"
    atomic_files.write_atomically(folder / CHOICE_FILE, content.encode())


def clear_choice(folder: Path) -> None:
    (folder / CHOICE_FILE).unlink(missing_ok=True)
