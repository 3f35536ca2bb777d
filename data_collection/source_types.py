"""Types that all sources share: candidate, request, source and its argument COUNT@MODEL."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from data_collection.dataset.manifest import FaceRecord, ImageClass
from data_collection.requirement import Requirement
from data_collection.settings import CollectionSettings
from runtime import console

EDIT_PREFIX = "edit:"


class UnavailableImage(Exception):
    """A candidate has no bytes; the message says why."""


@dataclass(frozen=True, kw_only=True)
class CandidateFace:
    """One image that a source offers; the other attributes are those of `manifest.FaceRecord`.

    Attributes:
        load: returns the original bytes; raises UnavailableImage or OSError if there are none.
        path: the whole path or address of a file, by which --facts finds it; empty if it is none.
        stable: whether `file` always means the same bytes, so that a known one is not loaded again.
        load_many: loads many faces of one source at once, where that is much faster than one by
            one. Yields every face with its bytes, or with the UnavailableImage or OSError instead.
        may_be_soft: whether the face is accepted if it looks enlarged: softness is then the trace
            of the generator, not of whoever published the file.
        retry: returns the face to use instead if this one comes out in a single colour, which is
            how a safety checker leaves a rejected image.
    """

    label: ImageClass
    source: str
    file: str
    load: Callable[[], bytes]
    path: str = ""
    stable: bool = False
    may_be_soft: bool = False
    person: str = ""
    prompt: str = ""
    seed: int | None = None
    generator: str = ""
    source_image: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    drawn_with: Mapping[str, object] = field(default_factory=dict)
    load_many: (
        "Callable[[Sequence[CandidateFace]], Iterator[tuple[CandidateFace, bytes | Exception]]]"
        " | None"
    ) = None
    retry: "Callable[[], CandidateFace] | None" = None


@dataclass(frozen=True)
class SourceArgument:
    """The parsed COUNT@MODEL or edit:COUNT@MODEL, which follows KIND: on the command line.

    Attributes:
        count_text: the count as it was written; empty if there is none, not checked yet.
        model: what follows the @; empty if nothing does.
        edit: whether photographs are to be edited.
    """

    count_text: str
    model: str
    edit: bool

    @classmethod
    def parse(cls, argument: str) -> "SourceArgument":
        """Split the argument; every text is accepted, `require_count` checks the count."""
        count_text, _, model = argument.removeprefix(EDIT_PREFIX).partition("@")
        return cls(count_text, model, argument.startswith(EDIT_PREFIX))

    def require_count(self, kind: str, default: int, may_edit: bool = False) -> int:
        """Return the count, or `default` if none was written.

        Raises:
            PlainError: it is not a whole number from 1 to a million, or `kind` cannot edit.
        """
        text = self.count_text
        if self.edit and not may_edit:
            text = EDIT_PREFIX + text
        if text and not re.fullmatch("0*[1-9][0-9]{0,5}|1000000", text):
            excerpt = text if len(text) < 40 else f"{text[:40]}..."
            raise console.PlainError(
                f"{kind}:{text[:80]} asks for {excerpt!r} faces; give a whole number up to "
                f"1000000, as in {kind}:400."
            )
        return int(text or default)


@dataclass(frozen=True, kw_only=True)
class SourceRequest:
    """A request to one source, written as KIND:ARGUMENT.

    Attributes:
        argument: the text after the colon; empty if there is none.
        source_name: the name that its rows get.
        settings: settings of the whole run.
        photographs: the accepted photographs of the data set; they are collected before any
            generator starts.
    """

    argument: str
    source_name: str
    settings: CollectionSettings
    photographs: Sequence[FaceRecord] = ()

    def select_photographs(self, count: int) -> Sequence[FaceRecord]:
        """Return the first `count` accepted photographs; warn if there are fewer.

        They are the first of the manifest, which only grows: they stay the same from run to run.
        """
        if len(self.photographs) < count:
            console.print_warning(
                f"{self.source_name}: each photograph is used once, and there are "
                f"{len(self.photographs)}."
            )
        return self.photographs[:count]


@dataclass(frozen=True, kw_only=True)
class Source:
    """One row of REAL_SOURCES or GENERATORS.

    Attributes:
        example: how it is written on the command line.
        prepare: does the slow, online or paid work (downloads a data set, writes prompts); its
            result goes to `candidates`.
        candidates: lists all faces in a fixed order, from the request and the result of `prepare`.
            It generates, downloads and pays for nothing; that happens in each face's `load`.
        select_files: chooses among the files that `candidates` lists; None if it lists no files.
            Files are listed and checked before anything is collected.
        name_part: returns how one folder of the files is written on the command line, from the
            argument and the folder's path below.
        list_requirements: what must be available before the source can start.
        make_name: the source name of its rows, made from the argument but not from the count;
            None if the name of the kind is used.
        check_request: raises PlainError, before anything starts, for a request that cannot be
            served or that would mix with the known rows of the same source.
    """

    example: str
    candidates: Callable[[SourceRequest, object], list[CandidateFace]]
    prepare: Callable[[SourceRequest], object] = lambda request: None
    select_files: Callable[[SourceRequest, list[CandidateFace]], list[CandidateFace]] | None = None
    name_part: Callable[[str, str], str] | None = None
    list_requirements: Callable[[SourceRequest], list[Requirement]] = lambda request: []
    make_name: Callable[[str, CollectionSettings], str] | None = None
    check_request: Callable[[SourceRequest, Sequence[FaceRecord]], None] = lambda request, known: (
        None
    )

    def list_all_files(self, request: SourceRequest) -> list[CandidateFace]:
        """Prepare the source, which may be slow, and list its files before any is chosen."""
        return self.candidates(request, self.prepare(request))

    def list_candidates(self, request: SourceRequest) -> list[CandidateFace]:
        """Prepare the source, which may be slow or paid for, and list its candidates."""
        faces = self.candidates(request, self.prepare(request))
        return self.select_files(request, faces) if self.select_files else faces


@dataclass(frozen=True)
class RequestedSource:
    """A source named on the command line, with its label and its request."""

    label: ImageClass
    source: Source
    request: SourceRequest
