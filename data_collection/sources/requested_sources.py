"""ask(): the sources that a person named, each checked and with the name that its rows get."""

import re
from pathlib import Path

from data_collection.services import object_store
from data_collection.settings import CollectionSettings
from data_collection.source_types import RequestedSource, Source, SourceRequest
from data_collection.sources.facts_csv import read_facts
from data_collection.sources.registry import GENERATORS, REAL_SOURCES
from runtime import console
from runtime.suggestions import suggest_folder

# The mission: a student's project has these.
DEFAULT_REAL_SOURCES = ("kaggle:700",)
DEFAULT_GENERATED_SOURCES = ("stable-diffusion:700",)


def parse_requested_sources(settings: CollectionSettings) -> list[RequestedSource]:
    """Every source that the person asked for, photographs first; the project's own pair if none was named.

    Raises:
        PlainError: one is no source, or no folder.
    """
    real, generated = settings.real, settings.generated
    if not real and not generated:
        real, generated = DEFAULT_REAL_SOURCES, DEFAULT_GENERATED_SOURCES
    facts = read_facts(settings.facts)
    taken: dict[str, str] = {}
    asked = []
    for label, table, sources in (
        ("real", REAL_SOURCES, real),
        ("generated", GENERATORS, generated),
    ):
        for text in sources:
            kind, _, argument = text.partition(":")
            if kind not in table:
                examples = ", ".join(row.example for row in table.values())
                raise console.PlainError(f"--{label} {text} is no source; write one of {examples}.")
            if kind == "folder":
                check_folder_source(argument)  # before hours are spent on another source
            name = _make_unique_name(f"{label} {text}", table[kind], settings, taken)
            asked.append(
                RequestedSource(label, table[kind], SourceRequest(argument, name, settings, facts))
            )
    return asked


def _make_unique_name(
    text: str, row: Source, settings: CollectionSettings, taken: dict[str, str]
) -> str:
    """A name that no other source of the run has; a larger count of the same source is the same source."""
    kind, _, argument = text.partition(":")
    same = strip_count(text)
    names = (
        _list_folder_names(argument)
        if kind.endswith(" folder")
        else [row.name(argument, settings)]
        if row.name
        else []
    )
    names = names or [kind.partition(" ")[2]]
    names += [f"{names[-1]}-{number}" for number in range(2, len(taken) + 3)]
    name = next(name for name in names if taken.get(name, same) == same)
    taken[name] = same
    return name


def _list_folder_names(argument: str) -> list[str]:
    """A store's whole address, because what was fetched from it is not looked at again; of a folder ever more of its path."""
    if object_store.is_object_store_url(argument):
        return [argument.rstrip("/")]
    parts = Path(argument).expanduser().resolve().parts
    return [
        name for depth in range(1, len(parts) + 1) if (name := "-".join(parts[-depth:]).strip("/"))
    ]


def strip_count(text: str) -> str:
    """What KIND:COUNT@ANYTHING asks for, however much of it."""
    kind, _, argument = text.partition(":")
    return (
        text
        if kind.endswith("folder")
        else f"{kind}:{re.sub(r'[0-9]+(?=@|$)', '', argument, count=1)}"
    )


def check_folder_source(argument: str) -> None:
    """Refuses the argument of folder:PATH that names no folder.

    Raises:
        PlainError: it is empty, no such folder is there, or no package that opens such an address.
    """
    from data_collection.services import object_store

    if not argument:
        raise console.PlainError("folder: names no folder; write folder:PATH.")
    path = Path(argument).expanduser()
    if object_store.is_object_store_url(argument):
        object_store.open_object_store(argument)
    elif not path.is_dir():
        raise console.PlainError(
            f"{path} is not a folder{suggest_folder(path)}; give a folder of images."
        )
