"""collect(): found faces -> originals, canonical pictures and manifest rows -> groups -> frozen splits -> summary."""

import concurrent.futures
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from data_collection import console, duplicates, face_images, manifest, splits
from data_collection.found_faces import KNOWN_FACTS, FoundFace, NotAFile, read_facts
from data_collection.generated_faces import GENERATORS
from data_collection.manifest import FaceRecord
from data_collection.real_faces import REAL_SOURCES
from data_collection.settings import RECIPES, CollectionSettings, with_recipe

FEWEST = 20
"""A class with fewer images than this cannot be split into three parts that mean anything."""

BATCH = 32
"""Images between two writes of the manifest; at most these are looked at again after a crash."""

BOTH_LABELS = "both labels"

# What decides the pixels and the refusals; one data set has one set of these.
FROZEN = ("image_size", "min_side", "min_quality", "keep_upscaled", "validation_share", "hold_out_share")


def collect(settings: CollectionSettings) -> None:
    """Gathers a data set, or carries on with one.

    Raises:
        PlainError: nothing to collect, a missing folder, too few images, or settings that differ from the data set's.
    """
    settings = with_recipe(settings)
    found = find_faces(settings)
    with manifest.locked(settings.folder):
        keep_settings(settings)
        sweep(settings.folder)
        known = manifest.read(settings.folder) if manifest.manifest_path(settings.folder).exists() else []
        new = take_in(found, known, settings)
        records = reject_both(known + new, settings.folder)
        check_enough(records)
        records = freeze_splits(records, settings)
    summarise(found, records, len(new), settings)


def find_faces(settings: CollectionSettings) -> list[FoundFace]:
    """Everything that the sources offer."""
    if not settings.real and not settings.generated:
        raise console.PlainError("Nothing to collect: give --recipe sample, or --real folder:PATH and --generated folder:PATH.")
    facts = read_facts(settings.prompts)
    taken: set[str] = set()
    found: list[FoundFace] = []
    for option, table, sources in (
        ("--real", REAL_SOURCES, settings.real),
        ("--generated", GENERATORS, settings.generated),
    ):
        for text in sources:
            kind, _, argument = text.partition(":")
            if kind not in table or (kind == "folder" and not argument):
                raise console.PlainError(f"{option} {text} is no source; write one of {', '.join(_examples(table))}.")
            name = _source_name(kind, argument, taken)
            taken.add(name)
            found += table[kind](argument, name, facts)
    unmatched = facts.keys() - {PurePosixPath(face.file).name for face in found}
    if unmatched:
        console.warn(f"{len(unmatched)} rows of --prompts name no file that was found, {min(unmatched)} for one.")
    return found


def _examples(table: Iterable[str]) -> list[str]:
    return ["folder:PATH" if kind == "folder" else kind for kind in table]


def _source_name(kind: str, argument: str, taken: set[str]) -> str:
    """A folder's own name, with as much of its path before it as it takes to be the only one."""
    if kind != "folder":
        return kind
    parts = Path(argument).expanduser().resolve().parts
    names = ("-".join(parts[-depth:]).strip("/") for depth in range(1, len(parts) + 1))
    return next((name for name in names if name and name not in taken), argument)


def keep_settings(settings: CollectionSettings) -> None:
    """Saves the settings of a new data set; refuses to mix others into an old one."""
    path = settings.folder / "settings.json"
    wanted = {name: getattr(settings, name) for name in FROZEN}
    if path.exists():
        try:
            kept = json.loads(path.read_bytes())["frozen"]
        except (ValueError, KeyError, TypeError):
            raise console.PlainError(f"{path} is damaged; restore it from a copy.", console.DISK) from None
        for name in FROZEN:
            if kept.get(name) != wanted[name]:
                option = name.replace("_", "-")
                raise console.PlainError(
                    f"{settings.folder} was collected with --{option} {kept.get(name)}, not {wanted[name]}; give that, "
                    "or another --dataset name."
                )
    elif manifest.manifest_path(settings.folder).exists():
        raise console.PlainError(f"{path} is missing; restore it from a copy.", console.DISK)
    else:
        wanted = {"frozen": wanted, "canonicaliser": face_images.CANONICALISER_VERSION}
        manifest.write_whole(path, (json.dumps(wanted, indent=1) + "\n").encode())


def sweep(folder: Path) -> None:
    """Removes the temporary files that a killed run has left."""
    for kind in ("originals", "images"):
        for path in (folder / kind).rglob(".*.tmp"):
            path.unlink()


@dataclass(frozen=True)
class Examined:
    """A row with the bytes that belong to it: the original and, if it was accepted, its canonical picture."""

    record: FaceRecord
    original: bytes = b""
    canonical: bytes = b""


def take_in(found: Sequence[FoundFace], known: Sequence[FaceRecord], settings: CollectionSettings) -> list[FaceRecord]:
    """Examines what is not known yet, a batch at a time, and writes files first, rows after them."""
    keys = {record.key for record in known}
    lasting = {(record.label, record.source, record.file) for record in known}
    owner = {record.id: record for record in known if record.accepted}
    unseen = [face for face in found if not (face.lasting and (face.label, face.source, face.file) in lasting)]
    taken: list[FaceRecord] = []
    ready: list[Examined] = []
    looked_at = _examined(unseen, settings)
    for number, examined in enumerate(console.progress(looked_at, "looking at images", len(unseen)) if unseen else (), 1):
        if examined.record.key not in keys:
            ready.append(_judge_duplicate(examined, owner))
        if len(ready) == BATCH or number == len(unseen):
            rows = [_write(one, settings.folder) for one in ready]
            manifest.append(settings.folder, rows)
            taken += rows
            ready.clear()
    return taken


def _examined(unseen: Sequence[FoundFace], settings: CollectionSettings) -> Iterator[Examined]:
    """Examines a batch at a time on all cores; the order is kept, and so is which of two copies comes first."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(unseen), BATCH):
            yield from pool.map(lambda face: examine(face, settings), unseen[start : start + BATCH])


def examine(face: FoundFace, settings: CollectionSettings) -> Examined:
    """Decides about one image by itself: readable, large enough, of this world?"""
    facts = {name: getattr(face, name) for name in KNOWN_FACTS}
    name = (face.label, face.source, face.file)
    try:
        data = face.load()
    except (NotAFile, OSError) as error:
        reason = str(error) if isinstance(error, NotAFile) else f"cannot be read: {error.strerror}"
        nameless = face_images.content_id(f"{face.source}/{face.file}".encode(errors="surrogateescape"))
        return Examined(FaceRecord(nameless, *name, "rejected", reason, **facts))
    record = FaceRecord(face_images.content_id(data), *name, "rejected", bytes=len(data), **facts)
    try:
        decoded = face_images.decode(data)
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
    side = min(face.width, face.height)
    if face_images.is_single_colour(face):
        return "single colour"
    if side < settings.min_side:
        return f"too small: shorter side under {settings.min_side} pixels"
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


def _suffix(record: FaceRecord) -> str:
    return {"JPEG": ".jpg", "MPO": ".jpg", "PPM": ".pgm"}.get(record.format, f".{record.format.lower()}")


def check_enough(records: Sequence[FaceRecord]) -> None:
    count = Counter(record.label for record in records if record.accepted)
    for label in manifest.LABELS:
        if count[label] < FEWEST:
            reasons = Counter(short_reason(r) for r in records if r.label == label and not r.accepted)
            why = f" ({', '.join(f'{n} {reason}' for reason, n in reasons.most_common(3))})" if reasons else ""
            raise console.PlainError(
                f"Only {count[label]} {label} images were accepted{why}; at least {FEWEST} are needed. Add a source with "
                f"--{label} folder:PATH; what was collected is kept."
            )


def freeze_splits(records: Sequence[FaceRecord], settings: CollectionSettings) -> list[FaceRecord]:
    """Groups the images, places the new groups, and writes splits.json, then the manifest."""
    path = splits.splits_path(settings.folder)
    frozen = splits.read(settings.folder) if path.exists() else splits.Splits(settings.shares)
    placed = splits.place(records, frozen)
    written = manifest.read(settings.folder)
    if placed != written or not path.exists():
        splits.seal(placed, frozen)
        splits.write(settings.folder, frozen)
        manifest.replace_all(settings.folder, placed)
    for split in splits.SPLITS:
        if {record.label for record in manifest.accepted(placed, split)} != set(manifest.LABELS):
            console.warn(f"The {split} split lacks a class: its images form too few groups. Collect more sources.")
    return placed


def short_reason(record: FaceRecord) -> str:
    """The reason's family: what stands before the colon, or the first word."""
    return "duplicate" if record.reason.startswith("duplicate") else record.reason.partition(":")[0]


def summarise(found: Sequence[FoundFace], records: Sequence[FaceRecord], new: int, settings: CollectionSettings) -> None:
    """Prints, per source: found, accepted, rejected by reason, groups, split sizes."""
    reasons = [reason for reason, _ in Counter(short_reason(r) for r in records if not r.accepted).most_common()]
    sources = sorted({(record.label, record.source) for record in records}, reverse=True)
    parts = [*splits.SPLITS, splits.QUARANTINE]
    parts = [part for part in parts if part != splits.QUARANTINE or any(r.split == part for r in records)]
    rows = []
    for label, source in [*sources, ("", "all")]:
        mine = [
            record for record in records if source == "all" and not label or (record.label, record.source) == (label, source)
        ]
        kept = [record for record in mine if record.accepted]
        refused = Counter(short_reason(record) for record in mine if not record.accepted)
        cells = [len(mine), len(kept), *(refused[reason] for reason in reasons), len({record.group for record in kept})]
        rows.append([source, label, *cells, *(sum(record.split == part for record in kept) for part in parts)])
    console.table(
        f"{settings.folder}: {new} new of {len(found)} images offered",
        ["source", "label", "found", "accepted", *reasons, "groups", *parts],
        rows,
    )
    console.say(f"Every refusal and its reason is a row of {manifest.manifest_path(settings.folder)}.")
    if settings.recipe:
        console.say(RECIPES[settings.recipe].note)
