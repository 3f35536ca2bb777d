"""verify(): is every file of a data set still what it was when it was collected?"""

import concurrent.futures
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from data_collection import console, data_looks, manifest, splits
from data_collection.manifest import FaceRecord

AT_A_TIME = 256


def verify(folder: Path) -> bool:
    """Reads every original against its id and decodes every canonical picture; lists what is missing or altered.

    Raises:
        PlainError: there is no data set, or its manifest is damaged.
    """
    records = manifest.read(folder)
    console.heading("Verification")
    faces = [record for record in records if record.accepted]
    looked = console.progress(_faults(folder, faces), "images", len(faces))
    wrong = [fault for faults in looked for fault in faults] + _hold_out(folder, records)
    if wrong:
        console.table(f"{folder}: not as it was collected", ["file", "what is wrong"], wrong)
        console.say("Restore them from a copy; what came from a folder of yours comes back if you delete it and collect again.")
    else:
        console.say(f"All {len(faces)} images of {folder} are as they were collected, and so is the hold-out.")
    return not wrong


def _hold_out(folder: Path, records: Sequence[FaceRecord]) -> list[tuple[str, str]]:
    try:
        splits.check(records, splits.read(folder))
    except console.PlainError as error:
        return [(splits.splits_path(folder).name, str(error))]
    return []


def _faults(folder: Path, faces: Sequence[FaceRecord]) -> Iterator[list[tuple[str, str]]]:
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as cores:
        for start in range(0, len(faces), AT_A_TIME):
            yield from cores.map(lambda face: _faults_of(folder, face), faces[start : start + AT_A_TIME])


def _faults_of(folder: Path, face: FaceRecord) -> list[tuple[str, str]]:
    """What is wrong with the two files of one image: path and fault, for each that is not as it was."""
    found = [(face.original, _original(folder, face)), (face.image, _image(folder, face))]
    return [(name, fault) for name, fault in found if fault]


def _original(folder: Path, face: FaceRecord) -> str:
    try:
        return manifest.look_at_original(folder, face)[1]
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _image(folder: Path, face: FaceRecord) -> str:
    try:
        data_looks.canonical(folder, face)
    except console.PlainError:
        return "is damaged" if (folder / face.image).exists() else "is missing"
    return ""
