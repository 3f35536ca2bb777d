"""Parse the sources named on the command line; check each, and give it the name of its rows."""

import re
from collections.abc import Mapping
from pathlib import Path

from data_collection.dataset.manifest import ImageClass
from data_collection.images.containers import other_files
from data_collection.services import object_store
from data_collection.settings import CollectionSettings
from data_collection.source_types import RequestedSource, Source, SourceRequest
from data_collection.sources.registry import GENERATORS, REAL_SOURCES
from runtime import console
from runtime.commands.suggestions import find_close_names, suggest_folder

# The default collection is that of a student's project.
DEFAULT_REAL_SOURCES = ("kaggle:700",)
DEFAULT_GENERATED_SOURCES = ("stable-diffusion:700",)


def parse_requested_sources(settings: CollectionSettings) -> list[RequestedSource]:
    """Parse every requested source, photographs first; without any, take the default pair.

    Raises:
        PlainError: a name is not a source, or not a folder.
    """
    real, generated = settings.real, settings.generated
    if not real and not generated:
        real, generated = DEFAULT_REAL_SOURCES, DEFAULT_GENERATED_SOURCES
    identities: dict[str, tuple[str, str, str]] = {}
    requested_sources = []
    for label, table, texts in (("real", REAL_SOURCES, real), ("generated", GENERATORS, generated)):
        for text in texts:
            kind, argument = _split_source(label, text, table)
            if kind == "folder":
                check_folder_source(argument)  # before another source takes hours
            source = table[kind]
            names = _list_possible_names(kind, argument, source, settings)
            source_name = _take_free_name(
                names, (label, *_remove_count(kind, argument)), identities
            )
            request = SourceRequest(argument=argument, source_name=source_name, settings=settings)
            requested_sources.append(RequestedSource(label, source, request))
    return requested_sources


def _split_source(label: ImageClass, text: str, table: Mapping[str, Source]) -> tuple[str, str]:
    """Return kind and argument of a source; a path or an address alone is that of a folder."""
    kind, _, argument = text.partition(":")
    if kind in table:
        return kind, argument
    is_path = "/" in text and ":" not in text or Path(text).expanduser().exists()
    if (text and is_path) or object_store.is_object_store_url(text):
        return "folder", text
    raise _build_unknown_source_error(label, text, table)


def _build_unknown_source_error(
    label: ImageClass, text: str, table: Mapping[str, Source]
) -> console.PlainError:
    close_kinds = find_close_names(text.partition(":")[0], table)
    hint = f" (did you mean {close_kinds[0]}?)" if close_kinds else suggest_folder(Path(text))
    examples = ", ".join(source.example for source in table.values())
    return console.PlainError(
        f"Unknown source {text!r} for --{label}{hint}. Available: {examples}."
    )


def _list_possible_names(
    kind: str, argument: str, source: Source, settings: CollectionSettings
) -> list[str]:
    """Return names for the source's rows, the preferred one first."""
    if kind == "folder":
        return _list_folder_names(argument) or [kind]
    return [source.make_name(argument, settings) if source.make_name else kind]


def _take_free_name(
    names: list[str],
    identity: tuple[str, str, str],
    identities: dict[str, tuple[str, str, str]],
) -> str:
    """Return the first name that no other source of the run has, and record it in `identities`.

    Args:
        identity: the label, the kind and the argument without its count, so that the same source
            with a larger count gets the same name.
        identities: the identity of every name in use; changed.
    """
    numbered = [f"{names[-1]}-{number}" for number in range(2, len(identities) + 3)]
    free = next(name for name in names + numbered if identities.get(name, identity) == identity)
    identities[free] = identity
    return free


def _list_folder_names(argument: str) -> list[str]:
    """Return names of growing length from a folder's path; of an object store the whole address.

    The whole address, because a file that was fetched from a store is not fetched again.
    """
    if object_store.is_object_store_url(argument):
        return [argument.rstrip("/")]
    parts = Path(argument).expanduser().resolve().parts
    names = ["-".join(parts[-depth:]).strip("/") for depth in range(1, len(parts) + 1)]
    return [name for name in names if name]


def _remove_count(kind: str, argument: str) -> tuple[str, str]:
    """Return the kind and the argument without its count, if it has one."""
    if kind == "folder":
        return kind, argument
    return kind, re.sub(r"[0-9]+(?=@|$)", "", argument, count=1)


def check_folder_source(argument: str) -> None:
    """Check that folder:PATH names a folder.

    Raises:
        PlainError: it is empty, there is no such folder, or the address cannot be opened.
    """
    if not argument:
        raise console.PlainError("folder: lacks a path; write folder:PATH.")
    path = Path(argument).expanduser()
    if object_store.is_object_store_url(argument):
        object_store.open_object_store(argument)
    elif not path.is_dir():
        other_files.refuse_other_path(path)
        raise console.PlainError(
            f"{path} is not a folder{suggest_folder(path)}; give a folder of images."
        )
