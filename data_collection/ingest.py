"""Ingest offered images one by one: examined, accepted or rejected with a reason,
written, then a row."""

import concurrent.futures
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from data_collection.dataset import manifest
from data_collection.dataset.manifest import FaceRecord
from data_collection.examination import SINGLE_COLOUR_REASON, ExaminedImage, examine_image
from data_collection.settings import CollectionSettings
from data_collection.source_types import CandidateFace
from data_collection.sources.facts_csv import FACT_COLUMNS
from runtime import atomic_files, console

INGEST_BATCH_IMAGES = 32
"""Images between two writes of the manifest; at most these are looked at again after a crash."""

BOTH_LABELS_REASON = "both labels"
BLANK_IMAGES_BEFORE_STOP = 16
"""So many pictures of a drawn source, and nothing but black ones, are enough to stop."""


LoadedImage = tuple[CandidateFace, bytes | Exception | None]
"""A face with its bytes, with what went wrong instead, or with None where it is still to be
loaded."""


def ingest_images(
    found: Sequence[CandidateFace], known: Sequence[FaceRecord], settings: CollectionSettings
) -> list[FaceRecord]:
    """Examines what is not known yet, a batch at a time, and writes files first, rows after them.

    Raises:
        PlainError: only black pictures are drawn, or facts are told of images that are placed
            already.
    """
    names = {(record.label, record.source, record.file): record for record in known}
    unseen = [
        face
        for face in found
        if not _is_already_ingested(face, names.get((face.label, face.source, face.file)))
    ]
    late = [
        face
        for face in found
        if face.stable and _has_new_facts(face, names.get((face.label, face.source, face.file)))
    ]
    new: list[FaceRecord] = []
    if unseen:
        progress = console.track_progress(
            _iterate_new_records(unseen, known, settings, late),
            f"{unseen[0].source}: images",
            len(unseen),
        )
        for record in progress:
            if record is not None:
                new.append(record)
                _stop_if_all_blank(new, found)
    if late:
        raise console.PlainError(
            f"{len(late)} images of {late[0].source} were collected before without what --facts "
            "says of them now, "
            f"{late[0].file} for one. Splits are frozen and cannot follow; collect anew under "
            "another --dataset name."
        )
    return new


def _is_already_ingested(face: CandidateFace, record: FaceRecord | None) -> bool:
    """Whether the face need not be loaded; one that came out black is, if it is to be drawn with
    other settings now."""
    if not face.stable or record is None:
        return False
    return record.reason != SINGLE_COLOUR_REASON or all(
        record.drawn_with.get(name) == value for name, value in face.drawn_with.items()
    )


def _has_new_facts(face: CandidateFace, record: FaceRecord | None) -> bool:
    """Whether a file's facts (drawn faces have none beside their own) are others than those it was
    collected with."""
    if record is None or not record.accepted or face.drawn_with:
        return False
    return any(
        getattr(face, name) not in ("", None, getattr(record, name)) for name in FACT_COLUMNS
    )


def _stop_if_all_blank(new: Sequence[FaceRecord], found: Sequence[CandidateFace]) -> None:
    if (
        len(new) == BLANK_IMAGES_BEFORE_STOP
        and found[0].retry
        and all(record.reason == SINGLE_COLOUR_REASON for record in new)
    ):
        raise console.PlainError(
            f"The first {BLANK_IMAGES_BEFORE_STOP} pictures by {found[0].source} came out in a "
            "single colour: its safety checker refuses "
            "them, or the model is broken. Give --no-safety-checker, other prompts, or another "
            "model."
        )


def _iterate_new_records(
    unseen: Sequence[CandidateFace],
    known: Sequence[FaceRecord],
    settings: CollectionSettings,
    late: list[CandidateFace],
) -> Iterator[FaceRecord | None]:
    """Yields every new row, None for a row that is known; while one batch is written, the next one
    is examined.

    What is known but has other facts now is added to `late`.
    """
    keys = {record.key: record for record in known}
    owner = {record.id: record for record in known if record.accepted}

    def keep(
        batch: list[tuple[CandidateFace, concurrent.futures.Future]],
    ) -> list[FaceRecord | None]:
        rows: list[FaceRecord | None] = []
        for face, examining in batch:
            one = examining.result()
            there = keys.get(one.record.key)
            if there and _has_new_facts(face, there):
                late.append(face)
            if there and there.original and not _has_image_files(there, settings.folder):
                _write_image_files(one, settings.folder)
            rows.append(
                None
                if there
                else _write_image_files(_reject_duplicate(one, owner), settings.folder)
            )
        new = [row for row in rows if row]
        manifest.flush_parent_folders(settings.folder, new)
        manifest.append_records(settings.folder, new)
        return rows

    with (
        concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as cores,
        concurrent.futures.ThreadPoolExecutor(1) as writer,
    ):
        waiting: concurrent.futures.Future | None = None
        for batch in _iterate_batches(unseen):
            examining = [
                (face, cores.submit(examine_image, face, data, settings)) for face, data in batch
            ]
            if waiting:
                yield from waiting.result()
            waiting = writer.submit(keep, examining)
        yield from waiting.result() if waiting else ()


def _iterate_batches(unseen: Sequence[CandidateFace]) -> Iterator[list[LoadedImage]]:
    """Batches of what lies ready; what is drawn comes one by one, so that a kill costs no more than
    what is being drawn."""
    for load_many, run in itertools.groupby(unseen, key=lambda face: face.load_many):
        faces = list(run)
        if load_many:
            yield from ([loaded] for loaded in load_many(faces))
        else:
            yield from (
                [(face, None) for face in faces[start : start + INGEST_BATCH_IMAGES]]
                for start in range(0, len(faces), INGEST_BATCH_IMAGES)
            )


def _reject_duplicate(examined: ExaminedImage, owner: dict[str, FaceRecord]) -> ExaminedImage:
    """Rejects an exact copy of an accepted image; `owner` learns the image otherwise."""
    record = examined.record
    if not record.accepted:
        return examined
    first = owner.setdefault(record.id, record)
    if first is record:
        return examined
    if first.label != record.label:
        return ExaminedImage(
            replace(
                record,
                status="rejected",
                reason=f"{BOTH_LABELS_REASON}: also {first.source}/{first.file}",
            )
        )
    return ExaminedImage(
        replace(record, status="rejected", reason=f"duplicate of {first.source}/{first.file}")
    )


def reject_conflicting_labels(records: Sequence[FaceRecord], folder: Path) -> list[FaceRecord]:
    """Takes out images that are offered under both labels: at least one of the two is wrong, and
    nobody knows which."""
    others = {
        record.id: record for record in records if record.reason.startswith(BOTH_LABELS_REASON)
    }
    doubtful = [record for record in records if record.accepted and record.id in others]
    if not doubtful:
        return list(records)
    one, other = doubtful[0], others[doubtful[0].id]
    console.print_warning(
        f"{len(doubtful)} images have both labels and are left out, {one.source}/{one.file} and "
        f"{other.source}/{other.file} "
        "for one. If a folder was given under the wrong label, collect anew under another "
        "--dataset name."
    )
    kept = [
        replace(
            record,
            status="rejected",
            reason=(
                f"{BOTH_LABELS_REASON}: also {others[record.id].source}/{others[record.id].file}"
            ),
        )
        if record.accepted and record.id in others
        else record
        for record in records
    ]
    manifest.replace_records(folder, kept)
    return kept


def _write_image_files(examined: ExaminedImage, folder: Path) -> FaceRecord:
    record = examined.record
    if not record.accepted:
        return record
    place = PurePosixPath(record.label, record.id[:2], record.id)
    original = PurePosixPath("originals", place).with_suffix(_choose_suffix(record))
    image = PurePosixPath("images", place).with_suffix(".jpg")
    atomic_files.write_atomically(folder / original, examined.original)
    atomic_files.write_atomically(folder / image, examined.canonical)
    return replace(record, original=str(original), image=str(image))


def _has_image_files(record: FaceRecord, folder: Path) -> bool:
    return (folder / record.original).is_file() and (folder / record.image).is_file()


def _choose_suffix(record: FaceRecord) -> str:
    return {"JPEG": ".jpg", "MPO": ".jpg", "PPM": ".pgm"}.get(
        record.format, f".{record.format.lower()}"
    )
