"""ask(): the sources that a person named, each checked and with the name that its rows get."""

import re
from pathlib import Path

from data_collection import console, remote_folder
from data_collection.found_faces import Asked, Request, Source, check_folder, read_facts
from data_collection.generated_faces import GENERATORS
from data_collection.real_faces import REAL_SOURCES
from data_collection.settings import CollectionSettings

# The mission: a student's project has these.
DEFAULT_REAL = ("kaggle:700",)
DEFAULT_GENERATED = ("stable-diffusion:700",)


def ask(settings: CollectionSettings) -> list[Asked]:
    """Every source that the person asked for, photographs first; the project's own pair if none was named.

    Raises:
        PlainError: one is no source, or no folder.
    """
    real, generated = settings.real, settings.generated
    if not real and not generated:
        real, generated = DEFAULT_REAL, DEFAULT_GENERATED
    facts = read_facts(settings.facts)
    taken: dict[str, str] = {}
    asked = []
    for label, table, sources in (("real", REAL_SOURCES, real), ("generated", GENERATORS, generated)):
        for text in sources:
            kind, _, argument = text.partition(":")
            if kind not in table:
                examples = ", ".join(row.example for row in table.values())
                raise console.PlainError(f"--{label} {text} is no source; write one of {examples}.")
            if kind == "folder":
                check_folder(argument)  # before hours are spent on another source
            name = _source_name(f"{label} {text}", table[kind], settings, taken)
            asked.append(Asked(label, table[kind], Request(argument, name, settings, facts)))
    return asked


def _source_name(text: str, row: Source, settings: CollectionSettings, taken: dict[str, str]) -> str:
    """A name that no other source of the run has; a larger count of the same source is the same source."""
    kind, _, argument = text.partition(":")
    same = without_count(text)
    names = _folder_names(argument) if kind.endswith(" folder") else [row.name(argument, settings)] if row.name else []
    names = names or [kind.partition(" ")[2]]
    names += [f"{names[-1]}-{number}" for number in range(2, len(taken) + 3)]
    name = next(name for name in names if taken.get(name, same) == same)
    taken[name] = same
    return name


def _folder_names(argument: str) -> list[str]:
    """A store's whole address, because what was fetched from it is not looked at again; of a folder ever more of its path."""
    if remote_folder.is_remote(argument):
        return [argument.rstrip("/")]
    parts = Path(argument).expanduser().resolve().parts
    return [name for depth in range(1, len(parts) + 1) if (name := "-".join(parts[-depth:]).strip("/"))]


def without_count(text: str) -> str:
    """What KIND:COUNT@ANYTHING asks for, however much of it."""
    kind, _, argument = text.partition(":")
    return text if kind.endswith("folder") else f"{kind}:{re.sub(r'[0-9]+(?=@|$)', '', argument, count=1)}"
