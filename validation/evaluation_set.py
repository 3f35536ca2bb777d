"""What a detector is judged on: the frozen hold-out, another data set, or any folder of pictures."""

import concurrent.futures
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data_collection import console, duplicates, face_images, found_faces, manifest, splits
from data_collection.manifest import FaceRecord
from training import dataset as datasets
from training.saved_models import Card
from validation import overlap
from validation.overlap import Overlap
from validation.settings import ValidationSettings

LABELLED = {
    **dict.fromkeys(("real", "reals", "photo", "photos", "photographs", "0_real", "nature"), "real"),
    **dict.fromkeys(("generated", "fake", "fakes", "ai", "synthetic", "1_fake"), "generated"),
}
"""Names of folders that say what is in them, in small letters."""


@dataclass(frozen=True)
class EvaluationSet:
    """Images with known labels, none of which the detector has learnt from.

    Attributes:
        name: for people: "the hold-out of data/faces".
        folder: what the records' `original` paths start from.
        refused: file and reason of every image that could not be judged.
        overlap: what it shares with the training; None if the data set of the training is not here.
        opened: how often the hold-out was opened, this time included, and by how many detectors; None if it is no hold-out.
    """

    name: str
    folder: Path
    records: list[FaceRecord]
    refused: list[tuple[str, str]]
    overlap: Overlap | None
    opened: tuple[int, int] | None = None


def choose(settings: ValidationSettings, card: Card) -> EvaluationSet:
    """The set that the settings ask for; an opening of the hold-out is counted.

    Raises:
        PlainError: it is not there, it was altered, it was trained on (exit code 5), or nothing in it can be judged.
    """
    trained_on = Path(card.dataset["folder"])
    if settings.data is None:
        return hold_out(datasets.find(trained_on.parent, settings.dataset or trained_on), card)
    if manifest.manifest_path(settings.data).is_file():
        found = of_dataset(settings.data, card)
    else:
        found = of_folder(settings.data, settings.label, card)
    if not found.records:
        why = f" ({found.refused[0][0]}: {found.refused[0][1]})" if found.refused else ""
        raise console.PlainError(f"{settings.data} holds no image that can be judged{why}.")
    home = settings.dataset or trained_on
    if not manifest.manifest_path(home).is_file():
        console.warn(f"{home}, which {card.name} was trained on, is not here: nobody can say whether it knows these images.")
        return found
    return overlap.kept_apart(
        found, manifest.accepted(manifest.read(home), "train", "validation"), card.name, settings.drop_known
    )


def hold_out(folder: Path, card: Card) -> EvaluationSet:
    records = manifest.read(folder)
    splits.check(records, splits.read(folder))
    if splits.hold_out_sha256(records) != card.dataset["hold_out_sha256"]:
        raise console.PlainError(
            f"The hold-out of {folder} is not the one that {card.name} was kept away from; train again, then validate. "
            f"To judge {card.name} on all of {folder}, give --data {folder}.",
            console.LEAK,
        )
    rows = manifest.accepted(records, "hold-out")
    found = EvaluationSet(f"the hold-out of {folder}", folder, rows, [], None)
    found = overlap.kept_apart(found, manifest.accepted(records, "train", "validation"), card.name, drop=False)
    splits.record_opening(folder, card.name)
    openings = splits.read(folder).hold_out_opened
    return replace(found, opened=(len(openings), len({entry["model"] for entry in openings})))


def of_dataset(folder: Path, card: Card) -> EvaluationSet:
    """All accepted images of another data set."""
    records = [replace(record, crop=card.crop) for record in manifest.read(folder) if record.accepted]
    return EvaluationSet(str(folder), folder, sorted(records, key=lambda record: record.id), [], None)


def of_folder(folder: Path, label: str | None, card: Card) -> EvaluationSet:
    """Every picture under a folder; its subfolders `real` and `generated` say what is what, or `label` does.

    Raises:
        PlainError: there is no such folder, or no label.
    """
    if not folder.is_dir():
        raise console.PlainError(f"{folder} is no folder; give a data set, or a folder of pictures.")
    parts = {path: LABELLED.get(path.name.lower()) for path in sorted(folder.iterdir()) if path.is_dir()}
    labelled = [(path, name) for path, name in parts.items() if name and not label]
    if not labelled and not label:
        raise console.PlainError(
            f"{folder} has no subfolder `real` or `generated`, so nobody knows what its pictures are; name them so, or give "
            "--label real or --label generated."
        )
    offered = [
        replace(face, source=_source(path, face.file), file=str(path.relative_to(folder) / face.file))
        for path, name in labelled or [(folder, label)]
        for face in found_faces.in_folder(path, name, path.name, {})
    ]
    records, refused = examined(offered, card.crop)
    return EvaluationSet(str(folder), folder, grouped(records), refused, None)


def _source(folder: Path, file: str) -> str:
    """The subfolder that a picture lies in, or its label's folder."""
    first, slash, _ = file.partition("/")
    return first if slash else folder.name


def examined(offered: Sequence[found_faces.FoundFace], crop: str) -> tuple[list[FaceRecord], list[tuple[str, str]]]:
    """A row for each picture that opens; file and reason for the others and for exact copies."""
    known: dict[str, str] = {}
    records, refused = [], []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(offered), 64):  # a few at a time, or the bytes of all would wait in memory
            batch = offered[start : start + 64]
            for record in pool.map(lambda face: _examine(face, crop), batch):
                if record.accepted and record.id in known:
                    record = replace(record, status="rejected", reason=f"the same as {known[record.id]}")
                if record.accepted:
                    known[record.id] = record.file
                    records.append(record)
                else:
                    refused.append((record.file, record.reason))
    return records, refused


def _examine(face: found_faces.FoundFace, crop: str) -> FaceRecord:
    row = FaceRecord("", face.label, face.source, face.file, "rejected", original=face.file, crop=crop)
    try:
        data = face.load()
        decoded = face_images.decode(data, crop)
    except (found_faces.NotAFile, face_images.UnreadableImage) as error:
        return replace(row, reason=str(error))
    except OSError as error:
        return replace(row, reason=f"cannot be read: {error.strerror or error}")
    phash, mirrored = duplicates.perceptual_hashes(decoded.square)
    facts = {name: getattr(decoded, name) for name in ("format", "mode", "width", "height", "quality")}
    name = face_images.content_id(data)
    return replace(row, id=name, status="accepted", phash=phash, phash_mirrored=mirrored, bytes=len(data), **facts)


def grouped(records: Iterable[FaceRecord]) -> list[FaceRecord]:
    """Near-duplicates in one group, named after its first image."""
    rows = sorted(records, key=lambda record: record.id)
    for members in duplicates.groups(rows):
        for index in members:
            rows[index] = replace(rows[index], group=rows[members[0]].id)
    return rows
