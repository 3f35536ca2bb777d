"""Faces as a source offers them, before anything is decided: a name, what is known of it, and a way to get its bytes."""

import csv
import difflib
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data_collection import console, face_images
from data_collection.manifest import FaceRecord
from data_collection.settings import CollectionSettings


class NotAFile(Exception):
    """The source names something that holds no bytes of its own; the message is the reason, in words."""


@dataclass(frozen=True)
class FoundFace:
    """One offered image; the attributes are those of `manifest.FaceRecord`.

    Attributes:
        load: returns the original bytes; raises NotAFile or OSError when there are none.
        lasting: whether `file` always means the same bytes, so that a known one need not be loaded again.
        together: loads many faces of one source in one go, where that is much faster than one by one: yields every
            face with its bytes, or with the NotAFile or OSError that took their place.
        again: the face to be had instead if this one comes out in a single colour, as a safety checker leaves it.
    """

    label: str
    source: str
    file: str
    load: Callable[[], bytes]
    lasting: bool = False
    person: str = ""
    prompt: str = ""
    seed: int | None = None
    generator: str = ""
    source_image: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    drawn_with: Mapping[str, object] = field(default_factory=dict)
    together: "Callable[[Sequence[FoundFace]], Iterator[tuple[FoundFace, bytes | Exception]]] | None" = None
    again: "Callable[[], FoundFace] | None" = None


@dataclass(frozen=True)
class Need:
    """Something a source needs before it can start, for the table that is shown first.

    Attributes:
        what: in a few words ("OPENAI_API_KEY", "the model SG161222/Realistic_Vision_V1.4").
        there: whether it is there; False stops the run before anything has started.
        found: what was found ("set", "not in the cache, the hub answers", "69 GB free", "about 2 hours on this GPU").
        instead: the option that does without it.
    """

    what: str
    there: bool
    found: str
    instead: str = ""


@dataclass(frozen=True)
class Request:
    """One source as the person asked for it: KIND:ARGUMENT.

    Attributes:
        argument: what stood after the colon; empty if nothing did.
        source: the name that its rows get.
        facts: of the CSV files, by file name.
        settings: of the whole run.
        photographs: the accepted photographs of the data set; a generator is asked after they have been collected.
    """

    argument: str
    source: str
    settings: CollectionSettings
    facts: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    photographs: Sequence[FaceRecord] = ()


@dataclass(frozen=True)
class Source:
    """One row of REAL_SOURCES or GENERATORS.

    Attributes:
        find: everything that it offers, in a fixed order; nothing slow or paid for happens before `load`.
        example: how it is written on the command line.
        needs: what must be there before it can start.
        name: of its rows, made from the argument but not from the count; the kind's own name if there is none.
        check: refuses, before anything starts, what cannot be had or would not be the same source as the known rows.
    """

    find: "Callable[[Request], list[FoundFace]]"
    example: str
    needs: Callable[[Request], list[Need]] = lambda request: []
    name: Callable[[str, CollectionSettings], str] | None = None
    check: Callable[[Request, Sequence[FaceRecord]], None] = lambda request, known: None


@dataclass(frozen=True)
class Asked:
    """A source that the person asked for, with its row and its label."""

    label: str
    row: Source
    request: Request


def count_of(kind: str, argument: str, default: int) -> int:
    """How many faces KIND:COUNT or KIND:COUNT@ANYTHING asks for.

    Raises:
        PlainError: it is no whole number from 1 to a million.
    """
    text = argument.partition("@")[0]
    if text and not re.fullmatch("0*[1-9][0-9]{0,5}|1000000", text):
        asked = text if len(text) < 40 else f"{text[:40]}..."
        raise console.PlainError(
            f"{kind}:{argument[:80]} asks for {asked!r} faces; give a whole number up to 1000000, as in {kind}:400."
        )
    return int(text or default)


def check_folder(argument: str) -> None:
    """Refuses the argument of folder:PATH that names no folder.

    Raises:
        PlainError: it is empty, no such folder is there, or no package that opens such an address.
    """
    from data_collection import remote_folder

    if not argument:
        raise console.PlainError("folder: names no folder; write folder:PATH.")
    path = Path(argument).expanduser()
    if remote_folder.is_remote(argument):
        remote_folder.open_store(argument)
    elif not path.is_dir():
        raise console.PlainError(f"{path} is not a folder{_nearest(path)}; give a folder of images.")


def from_folder(request: Request, label: str) -> list[FoundFace]:
    """The row of both tables for folder:PATH."""
    from data_collection import remote_folder

    if remote_folder.is_remote(request.argument):
        return remote_folder.in_remote_folder(request.argument, label, request.source, request.facts)
    return in_folder(Path(request.argument).expanduser(), label, request.source, request.facts)


JUNK = ("__MACOSX", "Thumbs.db", "desktop.ini")
KNOWN_FACTS = ("person", "prompt", "seed", "generator", "source_image")


def in_folder(path: Path, label: str, source: str, facts: Mapping[str, Mapping[str, object]]) -> list[FoundFace]:
    """Every file under a folder, in a fixed order; hidden files are passed over, links are not followed.

    A photograph has no prompt, seed or generator: of a CSV's facts only its person counts.
    """
    allowed = KNOWN_FACTS if label == "generated" else ("person",)
    return [
        FoundFace(
            label,
            source,
            file.relative_to(path).as_posix(),
            lambda file=file: _read(file),
            **{name: fact for name, fact in facts.get(file.name, {}).items() if name in allowed},
        )
        for file in _walk(path)
    ]


def _nearest(path: Path) -> str:
    names = [each.name for each in path.parent.iterdir() if each.is_dir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, names, n=1)
    return f" (did you mean {path.parent / close[0]}?)" if close else ""


def _walk(path: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(filter(_shown, folders))
        links = [name for name in folders if Path(folder, name).is_symlink()]  # os.walk does not enter them
        for name in sorted(filter(_shown, files + links)):
            yield Path(folder, name)


def _shown(name: str) -> bool:
    return not name.startswith(".") and name not in JUNK


def _read(file: Path) -> bytes:
    state = file.lstat()
    if stat.S_ISLNK(state.st_mode):
        raise NotAFile("symbolic link, not followed")
    if not stat.S_ISREG(state.st_mode):
        raise NotAFile("not a regular file")
    if state.st_size > face_images.MAX_BYTES:
        raise NotAFile(f"larger than {face_images.MAX_BYTES // 1_000_000} MB")
    return file.read_bytes()


def read_facts(paths: Sequence[Path]) -> dict[str, dict[str, object]]:
    """Reads CSV files with a `file` column and any of KNOWN_FACTS; returns the facts by file name.

    Raises:
        PlainError: a file is missing, or lacks the columns.
    """
    facts: dict[str, dict[str, object]] = {}
    for path in paths:
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = csv.DictReader(file)
                known = [name for name in KNOWN_FACTS if name in (rows.fieldnames or ())]
                if "file" not in (rows.fieldnames or ()) or not known:
                    raise console.PlainError(
                        f"{path} has the columns {', '.join(rows.fieldnames or ()) or '(none)'}; it needs `file` and at "
                        f"least one of {', '.join(KNOWN_FACTS)}."
                    )
                for row in rows:
                    if row["file"]:
                        facts[Path(row["file"]).name] = {name: _fact(name, row[name], path) for name in known if row[name]}
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise console.PlainError(f"Cannot read {path}: {error}; give a CSV file in UTF-8.") from None
    return facts


def _fact(name: str, text: str, path: Path) -> object:
    if name != "seed":
        return text.strip()
    try:
        return int(text)
    except ValueError:
        raise console.PlainError(f"{path} gives the seed {text!r}; seeds are whole numbers.") from None
