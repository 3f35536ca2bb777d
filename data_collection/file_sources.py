"""List the files of folders, object stores and Kaggle data sets before anything is collected."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from data_collection.dataset.grouping import OriginalFinder
from data_collection.dataset.manifest import FaceRecord
from data_collection.facts.facts_csv import FACT_COLUMNS, FactRow
from data_collection.facts.matching import match_facts
from data_collection.facts.path_index import IndexedFile
from data_collection.source_types import CandidateFace, RequestedSource
from data_collection.sources.class_folders import (
    classify_files,
    find_largest_part,
    list_contradicting_files,
    name_examples,
)
from runtime import console
from runtime.terminal.counting import choose_verb


def list_files(
    requested_sources: Sequence[RequestedSource],
    rows: Sequence[FactRow],
    known: Sequence[FaceRecord],
) -> list[list[CandidateFace] | None]:
    """Return the candidates of every source with their facts; None for a source without files.

    Raises:
        PlainError: rows of facts are ambiguous or disagree; a source cannot be listed, or its
            folders contradict its label.
    """
    listings = [
        requested.source.list_all_files(requested.request)
        if requested.source.select_files
        else None
        for requested in requested_sources
    ]
    if rows:
        listings = add_facts(listings, rows)
        _check_source_images(listings, known)
    selected = [
        None if faces is None else requested.source.select_files(requested.request, faces)
        for requested, faces in zip(requested_sources, listings, strict=True)
    ]
    for requested, faces in zip(requested_sources, selected, strict=True):
        check_folder_names(requested, faces or [])
    return selected


def check_folder_names(requested: RequestedSource, faces: Sequence[CandidateFace]) -> None:
    """Check that no folder below the given one names the other class.

    Raises:
        PlainError: one does; the message says how to take a part.
    """
    label, argument = requested.label, requested.request.argument
    classes = classify_files(face.file for face in faces)
    contradicting = list_contradicting_files(classes, label)
    if not contradicting:
        return
    part = find_largest_part(classes, label)
    advice = "Give it under the other label, or name the folders to take one by one"
    if part:
        advice = (
            f"Name the part to take, as in --{label} {requested.source.name_part(argument, part)}"
        )
    raise console.PlainError(
        f"{len(contradicting)} of {len(faces)} files of {requested.request.source_name} "
        f"{choose_verb(len(contradicting), 'contradicts', 'contradict')} --{label} by the names of "
        f"their folders: {name_examples(contradicting)}. {advice}; names "
        "above the folder that you give do not count."
    )


def add_facts(
    listings: Sequence[list[CandidateFace] | None], rows: Sequence[FactRow]
) -> list[list[CandidateFace] | None]:
    """Return the candidates with the facts of the rows that mean them.

    Photographs have no prompt, seed or generator, so only their `person` is used.

    Raises:
        PlainError: rows are ambiguous or disagree.
    """
    files = [IndexedFile(face.path, face.file) for faces in listings for face in faces or ()]
    facts = match_facts(rows, files)
    return [
        None if faces is None else [_add_facts_to_face(face, facts) for face in faces]
        for faces in listings
    ]


def _add_facts_to_face(
    face: CandidateFace, facts: Mapping[str, Mapping[str, object]]
) -> CandidateFace:
    allowed = FACT_COLUMNS if face.label == "generated" else ("person",)
    known = facts.get(face.path, {})
    return replace(face, **{name: known[name] for name in allowed if name in known})


def _check_source_images(
    listings: Iterable[list[CandidateFace] | None], known: Sequence[FaceRecord]
) -> None:
    """Raise PlainError if a source image of the facts means several photographs."""
    faces = [face for listing in listings for face in listing or ()]
    if not any(face.source_image for face in faces):
        return
    originals = {
        (face.source, face.file): face
        for face in [*known, *faces]
        if face.label == "real" and getattr(face, "accepted", True)
    }
    finder = OriginalFinder(list(originals.values()))
    names = list(originals)
    for face in faces:
        if face.source_image:
            found = [names[index][1] for index in finder.find(face.source_image)]
            if len(found) > 1:
                raise console.PlainError(
                    f"--facts: the source image {face.source_image} of {face.file} means "
                    f"{len(found)} photographs, {found[0]} and {found[1]} for two; write more of "
                    "its path."
                )
