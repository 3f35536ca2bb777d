"""Find the data set that a command line names, by name or by path."""

import re
from pathlib import Path

from data_collection.dataset import manifest
from runtime import console
from runtime.commands.suggestions import find_close_names


def find_dataset_folder(data: Path, named: Path) -> Path:
    """Return the folder of the data set that is named by path, or by name inside `data`.

    Raises:
        PlainError: there is none.
    """
    for folder in (named, data / named):
        if manifest.manifest_path(folder).is_file():
            return folder
    if address := re.match(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)", str(named)):
        raise console.PlainError(
            f"{address[1]}://{address[2]} is an address; copy the data set first: python -m "
            f"data_collection download {address[1]}://{address[2]} NAME."
        )
    names = list_dataset_names(data)
    close = find_close_names(named.name, names)
    if close:
        advice = f"Did you mean {data / close[0]}?"
    elif not names:
        advice = f"{data} holds none; run python -m data_collection first."
    else:
        advice = f"Those in {data} are {', '.join(names)}."
    raise console.PlainError(f"{named} holds no data set. {advice}")


def list_dataset_names(data: Path) -> list[str]:
    """Return the names of the data sets in a folder."""
    return sorted(path.parent.name for path in data.glob("*/manifest.jsonl"))
