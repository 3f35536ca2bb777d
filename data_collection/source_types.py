"""Faces as a source offers them, before anything is decided: a name, what is known of it, and a way
to get its bytes."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from data_collection.dataset.manifest import FaceRecord
from data_collection.requirement import Requirement
from data_collection.settings import CollectionSettings
from runtime import console


class UnavailableImage(Exception):
    """The source names something that holds no bytes of its own; the message is the reason, in
    words."""


@dataclass(frozen=True)
class CandidateFace:
    """One offered image; the attributes are those of `manifest.FaceRecord`.

    Attributes:
        load: returns the original bytes; raises NotAFile or OSError when there are none.
        lasting: whether `file` always means the same bytes, so that a known one need not be loaded
            again.
        together: loads many faces of one source in one go, where that is much faster than one by
            one: yields every face with its bytes, or with the NotAFile or OSError that took their
            place.
        again: the face to be had instead if this one comes out in a single colour, as a safety
            checker leaves it.
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
    together: "Callable[[Sequence[CandidateFace]], Iterator[tuple[CandidateFace, bytes | Exception]]] | None" = None
    again: "Callable[[], CandidateFace] | None" = None


@dataclass(frozen=True)
class SourceRequest:
    """One source as the person asked for it: KIND:ARGUMENT.

    Attributes:
        argument: what stood after the colon; empty if nothing did.
        source: the name that its rows get.
        facts: of the CSV files, by file name.
        settings: of the whole run.
        photographs: the accepted photographs of the data set; a generator is asked after they have
            been collected.
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
        find: everything that it offers, in a fixed order; nothing slow or paid for happens before
            `load`.
        example: how it is written on the command line.
        needs: what must be there before it can start.
        name: of its rows, made from the argument but not from the count; the kind's own name if
            there is none.
        check: refuses, before anything starts, what cannot be had or would not be the same source
            as the known rows.
    """

    find: "Callable[[SourceRequest], list[CandidateFace]]"
    example: str
    needs: Callable[[SourceRequest], list[Requirement]] = lambda request: []
    name: Callable[[str, CollectionSettings], str] | None = None
    check: Callable[[SourceRequest, Sequence[FaceRecord]], None] = lambda request, known: None


@dataclass(frozen=True)
class RequestedSource:
    """A source that the person asked for, with its row and its label."""

    label: str
    row: Source
    request: SourceRequest


def parse_count(kind: str, argument: str, default: int) -> int:
    """How many faces KIND:COUNT or KIND:COUNT@ANYTHING asks for.

    Raises:
        PlainError: it is no whole number from 1 to a million.
    """
    text = argument.partition("@")[0]
    if text and not re.fullmatch("0*[1-9][0-9]{0,5}|1000000", text):
        asked = text if len(text) < 40 else f"{text[:40]}..."
        raise console.PlainError(
            f"{kind}:{argument[:80]} asks for {asked!r} faces; give a whole number up to 1000000, "
            f"as in {kind}:400."
        )
    return int(text or default)
