"""collect(): sources -> originals, canonical pictures and manifest rows -> groups -> frozen splits -> summary -> audit."""

import concurrent.futures
import itertools
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from data_collection import console, duplicates, face_images, manifest, readiness, recipes, splits, stable_diffusion
from data_collection.found_faces import KNOWN_FACTS, Asked, FoundFace, NotAFile, Request, Source, check_folder, read_facts
from data_collection.generated_faces import GENERATORS
from data_collection.inspection import inspect
from data_collection.manifest import FaceRecord
from data_collection.real_faces import REAL_SOURCES
from data_collection.settings import CollectionSettings
from data_collection.stable_diffusion import STABLE_DIFFUSION

FEWEST = 20
"""A class with fewer images than this cannot be split into three parts that mean anything."""

BATCH = 32
"""Images between two writes of the manifest; at most these are looked at again after a crash."""

BOTH_LABELS = "both labels"
SINGLE_COLOUR = "single colour"

# The mission: a student's project has these.
DEFAULT_REAL = ("kaggle:700",)
DEFAULT_GENERATED = ("stable-diffusion:700",)

# What decides the pixels and the refusals; one data set has one set of these.
FROZEN = ("image_size", "crop", "min_side", "min_quality", "keep_upscaled", "validation_share", "hold_out_share")


def collect(settings: CollectionSettings) -> None:
    """Gathers a data set, or carries on with one; then audits it.

    Raises:
        PlainError: a source that is none or cannot start, too few images, or settings that differ from the data set's.
    """
    asked = ask(settings)
    with manifest.locked(settings.folder):
        known = manifest.read(settings.folder) if manifest.manifest_path(settings.folder).exists() else []
        readiness.check(asked, known, settings.folder)
        keep_settings(settings)
        sweep(settings.folder)
        records, offered = gather(asked, known, settings)
        records = reject_both(records, settings.folder)
        check_enough(records)
        records = freeze_splits(records, settings)
        shutil.rmtree(settings.folder / "drawn", ignore_errors=True)  # what `draw` left has been taken in
    summarise(records, len(records) - len(known), offered, settings)
    if settings.audit:
        inspect(settings.folder, settings.logs, settings.seed, again=False)


def draw(settings: CollectionSettings) -> None:
    """Draws this process's share of every Stable Diffusion source; the next collection takes the pictures in."""
    import torch
    from accelerate import PartialState

    state = PartialState(cpu=not torch.cuda.is_available())
    for one in ask(settings):
        if one.row is STABLE_DIFFUSION:
            count = stable_diffusion.draw_share(one.request, state)
            drawn = f"{count} faces drawn by process {state.process_index + 1} of {state.num_processes}"
            console.say(f"{one.request.source}: {drawn}.")
    state.destroy_process_group()


def ask(settings: CollectionSettings) -> list[Asked]:
    """Every source that the person asked for, photographs first; the project's own pair if none was named."""
    real, generated = settings.real, settings.generated
    if not real and not generated:
        real, generated = DEFAULT_REAL, DEFAULT_GENERATED
    facts = read_facts(settings.facts)
    taken: set[str] = set()
    asked = []
    for label, table, sources in (("real", REAL_SOURCES, real), ("generated", GENERATORS, generated)):
        for text in sources:
            kind, _, argument = text.partition(":")
            if kind not in table:
                examples = ", ".join(row.example for row in table.values())
                raise console.PlainError(f"--{label} {text} is no source; write one of {examples}.")
            name = _source_name(kind, argument, table[kind], taken, settings)
            taken.add(name)
            if kind == "folder":
                check_folder(argument)  # before hours are spent on another source
            asked.append(Asked(label, table[kind], Request(argument, name, settings, facts)))
    return asked


def _source_name(kind: str, argument: str, row: Source, taken: set[str], settings: CollectionSettings) -> str:
    """The row's own name; of a folder its name, with as much of its path before it as it takes to be the only one."""
    if kind != "folder":
        name = row.name(argument, settings) if row.name else kind
        return name if name not in taken else f"{kind}:{argument}"
    parts = argument.split("/") if "://" in argument else Path(argument).expanduser().resolve().parts
    names = ("-".join(parts[-depth:]).strip("/") for depth in range(1, len(parts) + 1))
    return next((name for name in names if name and name not in taken), argument)


def gather(asked: Sequence[Asked], known: Sequence[FaceRecord], settings: CollectionSettings) -> tuple[list[FaceRecord], int]:
    """Takes in one source after the other; returns all rows, and how many images were offered."""
    records, offered, names = list(known), 0, set()
    for source in asked:
        photographs = [record for record in records if record.accepted and record.label == "real"]
        found = source.row.find(replace(source.request, photographs=photographs))
        offered += len(found)
        names |= {PurePosixPath(face.file).name for face in found}
        while found:
            records += take_in(found, records, settings)
            found = _redrawn(found, records)
    facts = asked[0].request.facts
    if facts.keys() - names:
        lost = facts.keys() - names
        console.warn(f"{len(lost)} rows of --facts name no file that was found, {min(lost)} for one.")
    return records, offered


def _redrawn(found: Sequence[FoundFace], records: Sequence[FaceRecord]) -> list[FoundFace]:
    """What takes the place of drawn faces that came out in a single colour."""
    black = {(r.label, r.source, r.file) for r in records if r.reason == SINGLE_COLOUR}
    return [face.again() for face in found if face.again and (face.label, face.source, face.file) in black]


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
    recipes.keep(settings)


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


Loaded = tuple[FoundFace, bytes | Exception | None]
"""A face with its bytes, with what went wrong instead, or with None where it is still to be loaded."""


def take_in(found: Sequence[FoundFace], known: Sequence[FaceRecord], settings: CollectionSettings) -> list[FaceRecord]:
    """Examines what is not known yet, a batch at a time, and writes files first, rows after them."""
    lasting = {(record.label, record.source, record.file) for record in known}
    unseen = [face for face in found if not (face.lasting and (face.label, face.source, face.file) in lasting)]
    if not unseen:
        return []
    rows = console.progress(_rows(unseen, known, settings), f"{unseen[0].source}: images", len(unseen))
    return [record for record in rows if record is not None]


def _rows(
    unseen: Sequence[FoundFace], known: Sequence[FaceRecord], settings: CollectionSettings
) -> Iterator[FaceRecord | None]:
    """Yields every new row, None for a row that is known; examines and writes a batch while the next one is loaded."""
    keys = {record.key for record in known}
    owner = {record.id: record for record in known if record.accepted}

    def take(batch: list[Loaded]) -> list[FaceRecord | None]:
        examined = list(cores.map(lambda loaded: examine(*loaded, settings), batch))
        new = [_judge_duplicate(one, owner) if one.record.key not in keys else None for one in examined]
        rows = [one and _write(one, settings.folder) for one in new]
        manifest.append(settings.folder, filter(None, rows))
        return rows

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as cores, concurrent.futures.ThreadPoolExecutor(1) as writer:
        waiting: concurrent.futures.Future | None = None
        for batch in _batches(unseen):
            if waiting:
                yield from waiting.result()
            waiting = writer.submit(take, batch)
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
        return Examined(replace(record, reason=f"not one face: {error}"))
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


def summarise(records: Sequence[FaceRecord], new: int, offered: int, settings: CollectionSettings) -> None:
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
        f"{settings.folder}: {new} new of {offered} images offered",
        ["source", "label", "found", "accepted", *reasons, "groups", *parts],
        rows,
    )
    console.say(f"Every refusal and its reason is a row of {manifest.manifest_path(settings.folder)}.")
    note = recipes.note(settings.recipe)
    if note:
        console.say(note)
