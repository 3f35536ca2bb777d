"""Ingest candidate images: examine each one, write its files, then append its row."""

import concurrent.futures
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from data_collection.dataset import manifest
from data_collection.dataset.manifest import FaceRecord
from data_collection.examination import SINGLE_COLOUR_REASON, ExaminedImage, examine_image
from data_collection.facts.facts_csv import FACT_COLUMNS
from data_collection.images.decoding_pool import open_decoding_threads
from data_collection.ingest_notes import IngestNotes
from data_collection.settings import CollectionSettings
from data_collection.source_types import CandidateFace
from runtime import atomic_files, console
from runtime.terminal.counting import choose_verb, format_count

INGEST_BATCH_IMAGES = 32
"""Images between two writes of the manifest; at most these are examined again after a crash."""

BOTH_LABELS_REASON = "both labels"
BLANK_IMAGES_BEFORE_STOP = 16
"""Stop a generated source if its first images, as many as this, are all of a single colour."""


LoadedImage = tuple[CandidateFace, bytes | Exception | None]
"""A candidate with its bytes, with the error that loading them raised, or with None if it is
still to be loaded."""


def ingest_images(
    candidates: Sequence[CandidateFace],
    known: Sequence[FaceRecord],
    settings: CollectionSettings,
) -> list[FaceRecord]:
    """Examine the candidates that are not known yet, batch by batch; write files, then rows.

    Raises:
        PlainError: a generator returns only blank images, or facts were added for images that
            already have a split.
    """
    record_by_name = {(record.label, record.source, record.file): record for record in known}
    unseen, notes = [], IngestNotes()
    for face in candidates:
        record = record_by_name.get((face.label, face.source, face.file))
        if not _is_already_ingested(face, record):
            unseen.append(face)
        if face.stable and _has_new_facts(face, record):
            notes.with_new_facts.append(face)
    new: list[FaceRecord] = []
    if unseen:
        progress = console.track_progress(
            _iterate_new_records(unseen, known, settings, notes),
            f"{unseen[0].source}: images",
            len(unseen),
        )
        for record in progress:
            if record is not None:
                new.append(record)
                _stop_if_all_blank(new, candidates)
    notes.report(len(candidates))
    return new


def _is_already_ingested(face: CandidateFace, record: FaceRecord | None) -> bool:
    """Return whether the face can be skipped; a blank one cannot if its settings have changed."""
    if not face.stable or record is None:
        return False
    return record.reason != SINGLE_COLOUR_REASON or all(
        record.drawn_with.get(name) == value for name, value in face.drawn_with.items()
    )


def _has_new_facts(face: CandidateFace, record: FaceRecord | None) -> bool:
    """Return whether the facts of a file differ from those that it was collected with.

    Generated faces have no facts from outside.
    """
    if record is None or not record.accepted or face.drawn_with:
        return False
    return any(
        getattr(face, name) not in ("", None, getattr(record, name)) for name in FACT_COLUMNS
    )


def _stop_if_all_blank(new: Sequence[FaceRecord], candidates: Sequence[CandidateFace]) -> None:
    if (
        len(new) == BLANK_IMAGES_BEFORE_STOP
        and candidates[0].retry
        and all(record.reason == SINGLE_COLOUR_REASON for record in new)
    ):
        raise console.PlainError(
            f"The first {BLANK_IMAGES_BEFORE_STOP} images of {candidates[0].source} came out in a "
            "single colour: its safety checker rejects them, or the model is broken. Use "
            "--no-safety-checker, other prompts, or another model."
        )


def _iterate_new_records(
    unseen: Sequence[CandidateFace],
    known: Sequence[FaceRecord],
    settings: CollectionSettings,
    notes: IngestNotes,
) -> Iterator[FaceRecord | None]:
    """Yield every new row, or None for a known one; write one batch while the next is examined.

    Append to `notes` what is told at the end.
    """
    known_by_key = {record.key: record for record in known}
    accepted_by_id = {record.id: record for record in known if record.accepted}
    state = known_by_key, accepted_by_id, notes, settings.folder

    with (
        open_decoding_threads() as cores,
        concurrent.futures.ThreadPoolExecutor(1) as writer,
    ):
        pending: concurrent.futures.Future | None = None
        for batch in _iterate_batches(unseen):
            examinations = [
                (face, cores.submit(examine_image, face, data, settings)) for face, data in batch
            ]
            if pending:
                yield from pending.result()
            pending = writer.submit(_write_batch, examinations, *state)
        yield from pending.result() if pending else ()


def _write_batch(
    batch: Sequence[tuple[CandidateFace, concurrent.futures.Future]],
    known_by_key: dict[tuple, FaceRecord],
    accepted_by_id: dict[str, FaceRecord],
    notes: IngestNotes,
    folder: Path,
) -> list[FaceRecord | None]:
    """Write the files of a batch, then its rows; see `_iterate_new_records`."""
    rows: list[FaceRecord | None] = []
    for face, examination in batch:
        examined = examination.result()
        if examined.named_generator:
            notes.named_generators.append((face, examined.named_generator))
        record = known_by_key.get(examined.record.key)
        if record is None:
            rows.append(_write_image_files(_reject_duplicate(examined, accepted_by_id), folder))
            continue
        rows.append(None)
        if _has_new_facts(face, record):
            notes.with_new_facts.append(face)
        if record.original and not _has_image_files(record, folder):
            _write_image_files(examined, folder)
    new = [row for row in rows if row]
    manifest.flush_parent_folders(folder, new)
    manifest.append_records(folder, new)
    return rows


def _iterate_batches(unseen: Sequence[CandidateFace]) -> Iterator[list[LoadedImage]]:
    """Yield stored images in batches and generated ones one by one, so that a kill costs no more
    than the image being generated."""
    for load_many, run in itertools.groupby(unseen, key=lambda face: face.load_many):
        faces = list(run)
        if load_many:
            yield from ([loaded] for loaded in load_many(faces))
        else:
            yield from (
                [(face, None) for face in faces[start : start + INGEST_BATCH_IMAGES]]
                for start in range(0, len(faces), INGEST_BATCH_IMAGES)
            )


def _reject_duplicate(
    examined: ExaminedImage, accepted_by_id: dict[str, FaceRecord]
) -> ExaminedImage:
    """Reject an exact copy of an accepted image; add any other image to `accepted_by_id`."""
    record = examined.record
    if not record.accepted:
        return examined
    first = accepted_by_id.setdefault(record.id, record)
    if first is record:
        return examined
    name = f"{first.source}/{first.file}"
    same_label = first.label == record.label
    reason = f"duplicate of {name}" if same_label else f"{BOTH_LABELS_REASON}: also {name}"
    return ExaminedImage(replace(record, status="rejected", reason=reason))


def reject_conflicting_labels(records: Sequence[FaceRecord], folder: Path) -> list[FaceRecord]:
    """Reject images that were offered under both labels: one of the two is wrong, but which one
    is unknown."""
    copies = {
        record.id: record for record in records if record.reason.startswith(BOTH_LABELS_REASON)
    }
    conflicting = [record for record in records if record.accepted and record.id in copies]
    if not conflicting:
        return list(records)
    first, copy = conflicting[0], copies[conflicting[0].id]
    console.print_warning(
        f"{format_count(len(conflicting), 'image')} {choose_verb(len(conflicting), 'has', 'have')} "
        "both "
        f"labels and {choose_verb(len(conflicting), 'is', 'are')} left out, for example "
        f"{first.source}/{first.file} and {copy.source}/{copy.file}. If a folder was given under "
        "the wrong label, remove it (python -m data_collection remove "
        f"{folder} SOURCE) and collect again."
    )

    def reject(record: FaceRecord) -> FaceRecord:
        copy = copies[record.id]
        reason = f"{BOTH_LABELS_REASON}: also {copy.source}/{copy.file}"
        return replace(record, status="rejected", reason=reason)

    consistent = [
        reject(record) if record.accepted and record.id in copies else record for record in records
    ]
    manifest.replace_records(folder, consistent)
    return consistent


def _write_image_files(examined: ExaminedImage, folder: Path) -> FaceRecord:
    record = examined.record
    if not record.accepted:
        return record
    stem = PurePosixPath(record.label, record.id[:2], record.id)
    original = PurePosixPath("originals", stem).with_suffix(_choose_suffix(record))
    image = PurePosixPath("images", stem).with_suffix(".jpg")
    atomic_files.write_atomically(folder / original, examined.original)
    atomic_files.write_atomically(folder / image, examined.canonical)
    return replace(record, original=str(original), image=str(image))


def _has_image_files(record: FaceRecord, folder: Path) -> bool:
    return (folder / record.original).is_file() and (folder / record.image).is_file()


def _choose_suffix(record: FaceRecord) -> str:
    return {"JPEG": ".jpg", "MPO": ".jpg", "PPM": ".pgm"}.get(
        record.format, f".{record.format.lower()}"
    )
