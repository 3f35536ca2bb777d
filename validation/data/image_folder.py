"""Read any folder of images as records: labels from its subfolders, sources from theirs."""

import functools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from data_collection import source_types
from data_collection.dataset import grouping, near_duplicates
from data_collection.dataset.manifest import FaceRecord, ImageClass
from data_collection.images import errors
from data_collection.images.containers import other_files
from data_collection.images.decode import DecodedFace
from data_collection.images.decoding_pool import COMMAND_POOL, open_decoding_threads
from data_collection.sources import class_folders, local_folder
from data_collection.sources.class_folders import FileClass
from runtime import console, hashing
from runtime.terminal.counting import choose_verb

COPY_REASON = "the same file as"
"""The reason of an exact copy begins like this."""

EXAMINED_CHUNK_IMAGES = 64
"""Images that are examined at once; the bytes of all would wait in memory."""


def read_image_folder(
    folder: Path, label: ImageClass | None, crop: str, any_picture: bool = False
) -> tuple[list[FaceRecord], list[tuple[str, str]]]:
    """Return a record for every image under a folder, and (file, reason) for those rejected.

    Args:
        label: class of all images; None if the names of their folders give it.
        crop: name in decode.CROPS.
        any_picture: whether an image that does not show exactly one face is cropped to its centre
            square where `crop` needs a face, as before a verdict; otherwise it is rejected.

    Raises:
        PlainError: the folder is missing, no folder gives a class, or one contradicts `label`.
    """
    if not folder.is_dir():
        other_files.refuse_other_path(folder)
        raise console.PlainError(
            f"{folder} is not a folder. Give a data set or a folder of images."
        )
    faces = local_folder.list_folder_candidates(folder, label or "real", "")
    classes = class_folders.classify_files(face.file for face in faces)
    _check_classes(folder, classes, label)
    label_by_file = {file: label or found.label for file, found in classes.items()}
    sources = _name_sources(folder, classes)
    candidates = [
        replace(face, label=label_by_file[face.file], source=sources[face.file])
        for face in faces
        if label_by_file[face.file]
    ]
    unlabelled = [
        (
            face.file,
            "the folders above it name both classes"
            if classes[face.file].contradictory
            else "no folder above it gives its class",
        )
        for face in faces
        if not label_by_file[face.file]
    ]
    records, rejected = examine_images(candidates, crop, any_picture)
    return group_near_duplicates(records), rejected + unlabelled


def _check_classes(
    folder: Path, classes: Mapping[str, FileClass], label: ImageClass | None
) -> None:
    """Raise PlainError if no folder gives a class, or one contradicts `label`; say which splits of
    a public data set are taken together."""
    if label is None and classes and not any(found.folder for found in classes.values()):
        raise console.PlainError(
            f"{folder} has no subfolder `real` or `generated`, at any depth, so the class of its "
            f"images is unknown. Name its subfolders so ({class_folders.KNOWN_FOLDER_NAMES} are "
            "understood, too), or give --label real or --label generated."
        )
    if label:
        _check_label(folder, classes, label)
    folders = {PurePosixPath(file).parent for file in classes}
    splits = {
        name for path in folders for name in path.parts if class_folders.is_split_folder(name)
    }
    if len(splits) > 1:
        console.print_message(
            f"The folders {', '.join(sorted(splits))} of {folder} are taken together; name one of "
            "them to take it alone."
        )


def _check_label(folder: Path, classes: Mapping[str, FileClass], label: ImageClass) -> None:
    """Raise PlainError if a subfolder contradicts the label, be it empty."""
    contradicting = class_folders.list_contradicting_files(classes, label)
    names = [classes[file].folder for file in contradicting[:1]] or [
        path.name
        for path in sorted(folder.iterdir())
        if path.is_dir() and class_folders.find_folder_class(path.name) not in (None, label)
    ]
    if not names:
        return
    examples = (
        f": {len(contradicting)} of {len(classes)} files "
        f"{choose_verb(len(contradicting), 'contradicts', 'contradict')} it, such as "
        f"{class_folders.name_examples(contradicting)}"
        if contradicting
        else ""
    )
    raise console.PlainError(
        f"{folder} has a subfolder `{names[0]}`, but --label is {label}{examples}. Leave out "
        "--label, or name one subfolder."
    )


def _name_sources(folder: Path, classes: Mapping[str, FileClass]) -> dict[str, str]:
    """Return the source of every file: the folder below the one that gives its class, or else the
    folders above that one if they differ (GenImage's generators), or else that one.

    Folders of splits do not count.
    """
    above = {
        file: _drop_splits(PurePosixPath(found.folder).parent.parts)
        for file, found in classes.items()
    }
    n_shared = len(os.path.commonprefix([above[file] for file in above if classes[file].folder]))
    names = {}
    for file, found in classes.items():
        below = _drop_splits(PurePosixPath(file).relative_to(found.folder).parent.parts)
        names[file] = (
            (below[0] if below else "")
            or "/".join(above[file][n_shared:])
            or PurePosixPath(found.folder).name
            or folder.name
        )
    return names


def _drop_splits(parts: Sequence[str]) -> list[str]:
    return [part for part in parts if not class_folders.is_split_folder(part)]


def examine_images(
    candidates: Sequence[source_types.CandidateFace], crop: str, any_picture: bool = False
) -> tuple[list[FaceRecord], list[tuple[str, str]]]:
    """Return a record for every readable image; (file, reason) for the others, for exact copies,
    and for files of both classes. See `read_image_folder`."""
    by_id: dict[str, FaceRecord] = {}
    rejected, ambiguous_ids = [], set()
    for record in _examine_in_chunks(candidates, crop, any_picture):
        if not record.accepted:
            rejected.append((record.file, record.reason))
            continue
        first = by_id.setdefault(record.id, record)
        if first is record:
            continue
        if first.label == record.label:
            rejected.append((record.file, f"{COPY_REASON} {first.file}"))
        else:
            rejected.append((record.file, f"{COPY_REASON} {first.file}, of the other class"))
            ambiguous_ids.add(record.id)
    rejected += [
        (by_id[face_id].file, "the same file is there in the other class, too")
        for face_id in sorted(ambiguous_ids)
    ]
    usable = [record for face_id, record in by_id.items() if face_id not in ambiguous_ids]
    return usable, rejected


def _examine_in_chunks(
    candidates: Sequence[source_types.CandidateFace], crop: str, any_picture: bool
) -> Iterator[FaceRecord]:
    examine = functools.partial(_examine_image, crop=crop, any_picture=any_picture)
    with open_decoding_threads() as pool:
        for start in range(0, len(candidates), EXAMINED_CHUNK_IMAGES):
            chunk = candidates[start : start + EXAMINED_CHUNK_IMAGES]
            yield from pool.map(examine, chunk)


def _examine_image(face: source_types.CandidateFace, crop: str, any_picture: bool) -> FaceRecord:
    row = FaceRecord(
        id="",
        label=face.label,
        source=face.source,
        file=face.file,
        status="rejected",
        original=face.file,
        crop=crop,
    )
    try:
        data = face.load()
        decoded, crop = _decode_face(data, crop, any_picture)
    except (source_types.UnavailableImage, errors.UnreadableImage) as error:
        return replace(row, reason=str(error))
    except OSError as error:
        return replace(row, reason=f"cannot be read: {error.strerror or error}")
    facts = {
        name: getattr(decoded, name) for name in ("format", "mode", "width", "height", "quality")
    }
    name = hashing.hash_bytes(data)
    return replace(
        row,
        id=name,
        crop=crop,
        status="accepted",
        bytes=len(data),
        **facts,
        **near_duplicates.compute_fingerprints(decoded.square),
    )


def _decode_face(data: bytes, crop: str, any_picture: bool) -> tuple[DecodedFace, str]:
    """Return the square of an image, and how it was cropped."""
    try:
        return COMMAND_POOL.decode_face(data, crop), crop
    except errors.NoSingleFace:
        if not any_picture:
            raise
        return COMMAND_POOL.decode_face(data), "centre"


def group_near_duplicates(records: Iterable[FaceRecord]) -> list[FaceRecord]:
    """Put near-duplicates into one group, named after its first image."""
    rows = sorted(records, key=lambda record: record.id)
    for members in grouping.group_records(rows):
        for index in members:
            rows[index] = replace(rows[index], group=rows[members[0]].id)
    return rows
