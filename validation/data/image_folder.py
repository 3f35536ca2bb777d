"""Any folder of pictures as rows of an evaluation set: labels from its subfolders, sources from
theirs."""

import concurrent.futures
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from data_collection import source_types
from data_collection.dataset import grouping
from data_collection.dataset.manifest import FaceRecord
from data_collection.images import decode, errors
from data_collection.sources import local_folder
from runtime import console, hashing

LABEL_BY_FOLDER_NAME = {
    **dict.fromkeys(
        ("real", "reals", "photo", "photos", "photographs", "0_real", "nature"), "real"
    ),
    **dict.fromkeys(("generated", "fake", "fakes", "ai", "synthetic", "1_fake"), "generated"),
}
"""Names of folders that say what is in them, in small letters."""


def read_image_folder(
    folder: Path, label: str | None, crop: str
) -> tuple[list[FaceRecord], list[tuple[str, str]]]:
    """A row for every picture under a folder, and file and reason of what cannot be judged.

    Args:
        label: what all pictures are; None if the subfolders `real` and `generated` say it.

    Raises:
        PlainError: there is no such folder, no label, or one that a subfolder contradicts.
    """
    offered = [
        replace(
            face,
            source=_derive_source_name(path, face.file),
            file=str(path.relative_to(folder) / face.file),
        )
        for path, says in _label_subfolders(folder, label).items()
        for face in local_folder.list_folder_candidates(path, says, path.name, {})
    ]
    taken = {face.file for face in offered}
    lost = [
        face.file
        for face in local_folder.list_folder_candidates(folder, "real", "", {})
        if face.file not in taken
    ]
    records, refused = examine_images(offered, crop)
    return group_near_duplicates(records), refused + [
        (file, "no folder above it says what it is") for file in lost
    ]


def _label_subfolders(folder: Path, label: str | None) -> dict[Path, str]:
    """Return the class of the images below each folder: `label` for all, or by subfolder."""
    if not folder.is_dir():
        raise console.PlainError(
            f"{folder} is not a folder; give a data set, or a folder of images."
        )
    named = {
        path: LABEL_BY_FOLDER_NAME[path.name.lower()]
        for path in _list_subfolders(folder)
        if path.name.lower() in LABEL_BY_FOLDER_NAME
    }
    if not named and not label:
        raise console.PlainError(
            f"{folder} has no subfolder `real` or `generated`, so the class of its images is "
            "unknown; name subfolders so, or give --label real or --label generated."
        )
    other = next((path.name for path, says in named.items() if label and says != label), None)
    if other:
        raise console.PlainError(
            f"{folder} has a subfolder `{other}`, and --label says {label}; leave one of them out."
        )
    return {folder: label} if label else named


def _list_subfolders(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.is_symlink()]


def _derive_source_name(folder: Path, file: str) -> str:
    """The subfolder that a picture lies in, or its label's folder."""
    first, slash, _ = file.partition("/")
    return first if slash else folder.name


def examine_images(
    offered: Sequence[source_types.CandidateFace], crop: str
) -> tuple[list[FaceRecord], list[tuple[str, str]]]:
    """A row for each picture that opens; file and reason for the others, for exact copies, and for
    files of both labels."""
    known: dict[str, FaceRecord] = {}
    refused, both = [], set()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(
            0, len(offered), 64
        ):  # a few at a time, or the bytes of all would wait in memory
            for record in pool.map(
                lambda face: _examine_image(face, crop), offered[start : start + 64]
            ):
                if not record.accepted:
                    refused.append((record.file, record.reason))
                    continue
                first = known.setdefault(record.id, record)
                if first is not record:
                    same = first.label == record.label
                    both |= set() if same else {record.id}
                    refused.append(
                        (
                            record.file,
                            f"the same file as {first.file}{'' if same else ', under the other label'}",
                        )
                    )
    refused += [
        (known[face_id].file, "the same file is there under the other label, too")
        for face_id in sorted(both)
    ]
    return [record for face_id, record in known.items() if face_id not in both], refused


def _examine_image(face: source_types.CandidateFace, crop: str) -> FaceRecord:
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
        decoded = decode.decode_face(data, crop)
    except (source_types.UnavailableImage, errors.UnreadableImage) as error:
        return replace(row, reason=str(error))
    except OSError as error:
        return replace(row, reason=f"cannot be read: {error.strerror or error}")
    phash, mirrored = grouping.compute_perceptual_hashes(decoded.square)
    facts = {
        name: getattr(decoded, name) for name in ("format", "mode", "width", "height", "quality")
    }
    name = hashing.hash_bytes(data)
    return replace(
        row,
        id=name,
        status="accepted",
        phash=phash,
        phash_mirrored=mirrored,
        bytes=len(data),
        **facts,
    )


def group_near_duplicates(records: Iterable[FaceRecord]) -> list[FaceRecord]:
    """Near-duplicates in one group, named after its first image."""
    rows = sorted(records, key=lambda record: record.id)
    for members in grouping.group_records(rows):
        for index in members:
            rows[index] = replace(rows[index], group=rows[members[0]].id)
    return rows
