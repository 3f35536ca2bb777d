"""What happens to one offered image after the other: examined, accepted or rejected with a reason, written, then a row."""

import concurrent.futures
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from data_collection import console, duplicates, face_images, manifest
from data_collection.found_faces import KNOWN_FACTS, FoundFace, NotAFile
from data_collection.manifest import FaceRecord
from data_collection.settings import CollectionSettings

BATCH = 32
"""Images between two writes of the manifest; at most these are looked at again after a crash."""

BOTH_LABELS = "both labels"
SINGLE_COLOUR = "single colour"
FIRST_BLACK = 16
"""So many pictures of a drawn source, and nothing but black ones, are enough to stop."""


@dataclass(frozen=True)
class Examined:
    """A row with the bytes that belong to it: the original and, if it was accepted, its canonical picture."""

    record: FaceRecord
    original: bytes = b""
    canonical: bytes = b""


Loaded = tuple[FoundFace, bytes | Exception | None]
"""A face with its bytes, with what went wrong instead, or with None where it is still to be loaded."""


def take_in(found: Sequence[FoundFace], known: Sequence[FaceRecord], settings: CollectionSettings) -> list[FaceRecord]:
    """Examines what is not known yet, a batch at a time, and writes files first, rows after them.

    Raises:
        PlainError: only black pictures are drawn, or facts are told of images that are placed already.
    """
    names = {(record.label, record.source, record.file): record for record in known}
    unseen = [face for face in found if not _settled(face, names.get((face.label, face.source, face.file)))]
    late = [face for face in found if face.lasting and _adds(face, names.get((face.label, face.source, face.file)))]
    new: list[FaceRecord] = []
    if unseen:
        progress = console.progress(_rows(unseen, known, settings, late), f"{unseen[0].source}: images", len(unseen))
        for record in progress:
            if record is not None:
                new.append(record)
                _stop_if_black(new, found)
    if late:
        raise console.PlainError(
            f"{len(late)} images of {late[0].source} were collected before without what --facts says of them now, "
            f"{late[0].file} for one. Splits are frozen and cannot follow; collect anew under another --dataset name."
        )
    return new


def _settled(face: FoundFace, record: FaceRecord | None) -> bool:
    """Whether the face need not be loaded; one that came out black is, if it is to be drawn with other settings now."""
    if not face.lasting or record is None:
        return False
    return record.reason != SINGLE_COLOUR or all(
        record.drawn_with.get(name) == value for name, value in face.drawn_with.items()
    )


def _adds(face: FoundFace, record: FaceRecord | None) -> bool:
    """Whether a file's facts (drawn faces have none beside their own) are others than those it was collected with."""
    if record is None or not record.accepted or face.drawn_with:
        return False
    return any(getattr(face, name) not in ("", None, getattr(record, name)) for name in KNOWN_FACTS)


def _stop_if_black(new: Sequence[FaceRecord], found: Sequence[FoundFace]) -> None:
    if len(new) == FIRST_BLACK and found[0].again and all(record.reason == SINGLE_COLOUR for record in new):
        raise console.PlainError(
            f"The first {FIRST_BLACK} pictures by {found[0].source} came out in a single colour: its safety checker refuses "
            "them, or the model is broken. Give --no-safety-checker, other prompts, or another model."
        )


def _rows(
    unseen: Sequence[FoundFace], known: Sequence[FaceRecord], settings: CollectionSettings, late: list[FoundFace]
) -> Iterator[FaceRecord | None]:
    """Yields every new row, None for a row that is known; while one batch is written, the next one is examined.

    What is known but has other facts now is added to `late`.
    """
    keys = {record.key: record for record in known}
    owner = {record.id: record for record in known if record.accepted}

    def keep(batch: list[tuple[FoundFace, concurrent.futures.Future]]) -> list[FaceRecord | None]:
        rows: list[FaceRecord | None] = []
        for face, examining in batch:
            one = examining.result()
            there = keys.get(one.record.key)
            if there and _adds(face, there):
                late.append(face)
            if there and there.original and not _has_files(there, settings.folder):
                _write(one, settings.folder)
            rows.append(None if there else _write(_judge_duplicate(one, owner), settings.folder))
        new = [row for row in rows if row]
        manifest.names_flushed(settings.folder, new)
        manifest.append(settings.folder, new)
        return rows

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as cores, concurrent.futures.ThreadPoolExecutor(1) as writer:
        waiting: concurrent.futures.Future | None = None
        for batch in _batches(unseen):
            examining = [(face, cores.submit(examine, face, data, settings)) for face, data in batch]
            if waiting:
                yield from waiting.result()
            waiting = writer.submit(keep, examining)
        yield from waiting.result() if waiting else ()


def _batches(unseen: Sequence[FoundFace]) -> Iterator[list[Loaded]]:
    """Batches of what lies ready; what is drawn comes one by one, so that a kill costs no more than what is being drawn."""
    for together, run in itertools.groupby(unseen, key=lambda face: face.together):
        faces = list(run)
        if together:
            yield from ([loaded] for loaded in together(faces))
        else:
            yield from ([(face, None) for face in faces[start : start + BATCH]] for start in range(0, len(faces), BATCH))


def examine(face: FoundFace, data: bytes | Exception | None, settings: CollectionSettings) -> Examined:
    """Decides about one image by itself: readable, large enough, of this world?"""
    facts = {name: getattr(face, name) for name in KNOWN_FACTS}
    facts |= {"attributes": dict(face.attributes), "drawn_with": dict(face.drawn_with)}
    name = (face.label, face.source, face.file)
    try:
        if isinstance(data, Exception):
            raise data
        data = face.load() if data is None else data
    except (NotAFile, OSError) as error:
        reason = str(error) if isinstance(error, NotAFile) else f"cannot be read: {error.strerror or error}"
        nameless = face_images.content_id(f"{face.source}/{face.file}".encode(errors="surrogateescape"))
        return Examined(FaceRecord(nameless, *name, "rejected", reason, **facts))
    record = FaceRecord(face_images.content_id(data), *name, "rejected", bytes=len(data), crop=settings.crop, **facts)
    try:
        decoded = face_images.decode(data, settings.crop)
    except face_images.NotOneFace as error:
        black = face_images.is_single_colour(face_images.decode(data))
        return Examined(replace(record, reason=SINGLE_COLOUR if black else f"not one face: {error}"))
    except face_images.UnreadableImage as error:
        return Examined(replace(record, reason=f"unreadable: {error}"))
    record = replace(record, **{key: getattr(decoded, key) for key in ("format", "mode", "width", "height", "quality")})
    reason = refusal(decoded, settings)
    if reason:
        return Examined(replace(record, reason=reason))
    hashes = duplicates.perceptual_hashes(decoded.square)
    record = replace(record, status="accepted", phash=hashes[0], phash_mirrored=hashes[1])
    return Examined(record, data, face_images.canonical_jpeg(decoded, record.id, settings.image_size))


def refusal(face: face_images.Face, settings: CollectionSettings) -> str:
    """Why a decoded face is not accepted, in words; empty if it is."""
    side = face.square.width
    if face_images.is_single_colour(face):
        return SINGLE_COLOUR
    if side < settings.min_side:
        return f"too small: square under {settings.min_side} pixels"
    if face.quality is not None and face.quality < settings.min_quality:
        return f"low JPEG quality: under {settings.min_quality}"
    if not settings.keep_upscaled and face_images.is_upscaled(face):
        return "upscaled"
    return ""


def _judge_duplicate(examined: Examined, owner: dict[str, FaceRecord]) -> Examined:
    """Rejects an exact copy of an accepted image; `owner` learns the image otherwise."""
    record = examined.record
    if not record.accepted:
        return examined
    first = owner.setdefault(record.id, record)
    if first is record:
        return examined
    if first.label != record.label:
        return Examined(replace(record, status="rejected", reason=f"{BOTH_LABELS}: also {first.source}/{first.file}"))
    return Examined(replace(record, status="rejected", reason=f"duplicate of {first.source}/{first.file}"))


def reject_both(records: Sequence[FaceRecord], folder: Path) -> list[FaceRecord]:
    """Takes out images that are offered under both labels: at least one of the two is wrong, and nobody knows which."""
    others = {record.id: record for record in records if record.reason.startswith(BOTH_LABELS)}
    doubtful = [record for record in records if record.accepted and record.id in others]
    if not doubtful:
        return list(records)
    one, other = doubtful[0], others[doubtful[0].id]
    console.warn(
        f"{len(doubtful)} images have both labels and are left out, {one.source}/{one.file} and {other.source}/{other.file} "
        "for one. If a folder was given under the wrong label, collect anew under another --dataset name."
    )
    kept = [
        replace(record, status="rejected", reason=f"{BOTH_LABELS}: also {others[record.id].source}/{others[record.id].file}")
        if record.accepted and record.id in others
        else record
        for record in records
    ]
    manifest.replace_all(folder, kept)
    return kept


def _write(examined: Examined, folder: Path) -> FaceRecord:
    record = examined.record
    if not record.accepted:
        return record
    place = PurePosixPath(record.label, record.id[:2], record.id)
    original = PurePosixPath("originals", place).with_suffix(_suffix(record))
    image = PurePosixPath("images", place).with_suffix(".jpg")
    manifest.write_whole(folder / original, examined.original)
    manifest.write_whole(folder / image, examined.canonical)
    return replace(record, original=str(original), image=str(image))


def _has_files(record: FaceRecord, folder: Path) -> bool:
    return (folder / record.original).is_file() and (folder / record.image).is_file()


def _suffix(record: FaceRecord) -> str:
    return {"JPEG": ".jpg", "MPO": ".jpg", "PPM": ".pgm"}.get(record.format, f".{record.format.lower()}")


def sweep(folder: Path) -> None:
    """Removes the temporary files that a killed run has left."""
    for pattern in (".*.tmp", "originals/**/.*.tmp", "images/**/.*.tmp"):
        for path in folder.glob(pattern):
            path.unlink()
