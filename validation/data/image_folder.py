"""Read any folder of images as records: labels from its subfolders, sources from theirs."""

import concurrent.futures
import functools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from data_collection import source_types
from data_collection.dataset import grouping, near_duplicates
from data_collection.dataset.manifest import FaceRecord, ImageClass
from data_collection.images import decode, errors
from data_collection.images.decode import DecodedFace
from data_collection.sources import local_folder
from runtime import console, hashing

LABEL_BY_FOLDER_NAME: dict[str, ImageClass] = {
    **dict.fromkeys(
        ("real", "reals", "photo", "photos", "photographs", "0_real", "nature"), "real"
    ),
    **dict.fromkeys(("generated", "fake", "fakes", "ai", "synthetic", "1_fake"), "generated"),
}
"""Lower-case folder names that give the class of the images inside."""

COPY_REASON = "the same file as"
"""The reason of an exact copy begins like this."""

EXAMINED_CHUNK_IMAGES = 64
"""Images that are examined at once; the bytes of all would wait in memory."""


def read_image_folder(
    folder: Path, label: ImageClass | None, crop: str, any_picture: bool = False
) -> tuple[list[FaceRecord], list[tuple[str, str]]]:
    """Return a record for every image under a folder, and (file, reason) for those rejected.

    Args:
        label: class of all images; None if the subfolders `real` and `generated` give it.
        crop: name in decode.CROPS.
        any_picture: whether an image that does not show exactly one face is cropped to its centre
            square where `crop` needs a face, as before a verdict; otherwise it is rejected.

    Raises:
        PlainError: the folder is missing, has no label, or a subfolder contradicts `label`.
    """
    candidates = [
        replace(
            face,
            source=_derive_source_name(path, face.file),
            file=str(path.relative_to(folder) / face.file),
        )
        for path, path_label in _label_subfolders(folder, label).items()
        for face in local_folder.list_folder_candidates(path, path_label, path.name)
    ]
    labelled = {face.file for face in candidates}
    unlabelled = [
        face.file
        for face in local_folder.list_folder_candidates(folder, "real", "")
        if face.file not in labelled
    ]
    records, rejected = examine_images(candidates, crop, any_picture)
    return group_near_duplicates(records), rejected + [
        (file, "no folder above it gives its class") for file in unlabelled
    ]


def _label_subfolders(folder: Path, label: ImageClass | None) -> dict[Path, ImageClass]:
    """Return the class of the images below each folder: `label` for all, or by subfolder."""
    if not folder.is_dir():
        raise console.PlainError(
            f"{folder} is not a folder. Give a data set or a folder of images."
        )
    labels = {
        path: LABEL_BY_FOLDER_NAME[path.name.lower()]
        for path in _list_subfolders(folder)
        if path.name.lower() in LABEL_BY_FOLDER_NAME
    }
    if not labels and not label:
        raise console.PlainError(
            f"{folder} has no subfolder `real` or `generated`, so the class of its images is "
            "unknown. Name its subfolders so, or give --label real or --label generated."
        )
    contradicting = [path.name for path in labels if label and labels[path] != label]
    if contradicting:
        raise console.PlainError(
            f"{folder} has a subfolder `{contradicting[0]}`, but --label is {label}. Leave out "
            "--label, or validate on one subfolder."
        )
    return {folder: label} if label else labels


def _list_subfolders(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.is_symlink()]


def _derive_source_name(folder: Path, file: str) -> str:
    """Return the subfolder that an image lies in, or else the folder that gives its class."""
    first, slash, _ = file.partition("/")
    return first if slash else folder.name


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
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
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
        return decode.decode_face(data, crop), crop
    except errors.NoSingleFace:
        if not any_picture:
            raise
        return decode.decode_face(data), "centre"


def group_near_duplicates(records: Iterable[FaceRecord]) -> list[FaceRecord]:
    """Put near-duplicates into one group, named after its first image."""
    rows = sorted(records, key=lambda record: record.id)
    for members in grouping.group_records(rows):
        for index in members:
            rows[index] = replace(rows[index], group=rows[members[0]].id)
    return rows
