"""collect(): sources -> originals, canonical pictures and manifest rows -> groups -> frozen splits -> summary -> audit."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from data_collection import (
    checked_json,
    console,
    drawn_ahead,
    face_crop,
    face_images,
    manifest,
    ray_drawing,
    readiness,
    recipes,
    splits,
)
from data_collection.asking import ask
from data_collection.found_faces import Asked, FoundFace
from data_collection.inspection import inspect
from data_collection.intake import SINGLE_COLOUR, reject_both, sweep, take_in
from data_collection.manifest import FaceRecord
from data_collection.settings import CollectionSettings
from data_collection.stable_diffusion import STABLE_DIFFUSION

FEWEST = 20
"""A class with fewer images than this cannot be split into three parts that mean anything."""

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
        for one in asked:
            one.row.check(one.request, known)
        readiness.check(asked, known, settings.folder)
        if settings.crop == "face":
            face_crop.load_detector()  # before hours are spent on drawing
        known = keep_settings(settings, known)
        sweep(settings.folder)
        records, offered = gather(asked, known, settings)
        records = reject_both(records, settings.folder)
        check_enough(records)
        records = freeze_splits(records, settings)
        drawn_ahead.clear(settings.folder, records)
        recipes.keep(settings, something_new=len(records) > len(known))
    summarise(records, len(records) - len(known), offered, settings)
    if settings.audit:
        inspect(settings.folder, settings.logs, settings.seed, again=False)


def draw(settings: CollectionSettings) -> None:
    """Draws this process's share of every Stable Diffusion source; the next collection takes the pictures in."""
    import torch
    from accelerate import PartialState

    state = PartialState(cpu=not torch.cuda.is_available())
    for one in _drawable(settings):
        count = drawn_ahead.draw_share(one, state)
        drawn = f"{count} faces drawn by process {state.process_index + 1} of {state.num_processes}"
        console.say(f"{one.request.source}: {drawn}.")
    state.destroy_process_group()


def draw_on_ray(settings: CollectionSettings) -> None:
    """Draws every Stable Diffusion source on a Ray cluster; the next collection takes the pictures in."""
    for one in _drawable(settings):
        console.say(f"{one.request.source}: {ray_drawing.draw(one)} faces drawn by the cluster.")


def _drawable(settings: CollectionSettings) -> Iterator[Asked]:
    for one in ask(settings):
        if one.row is STABLE_DIFFUSION:
            yield one
        elif one.label == "generated":
            console.warn(f"Only stable-diffusion is drawn ahead; {one.request.source} is left to the collection.")


def gather(asked: Sequence[Asked], known: Sequence[FaceRecord], settings: CollectionSettings) -> tuple[list[FaceRecord], int]:
    """Takes in one source after the other; returns all rows, and how many images were offered."""
    records, offered, names = list(known), 0, set()
    for source in asked:
        photographs = [record for record in records if record.accepted and record.label == "real"]
        found = source.row.find(replace(source.request, photographs=photographs))
        if not found:
            console.warn(f"{source.request.source} holds no files.")
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
    reasons = {(record.label, record.source, record.file): record.reason for record in records}  # the last one counts
    return [face.again() for face in found if face.again and reasons.get((face.label, face.source, face.file)) == SINGLE_COLOUR]


def keep_settings(settings: CollectionSettings, known: list[FaceRecord]) -> list[FaceRecord]:
    """Saves the settings of a new data set; refuses to mix others into an old one.

    Returns the known rows; none if nothing was accepted with other settings, because then these begin anew.

    Raises:
        PlainError: the data set has other settings, or its file of them is missing or damaged.
    """
    path = settings.folder / "settings.json"
    wanted = {name: getattr(settings, name) for name in FROZEN}
    if path.exists():
        kept = _kept_settings(path)
        other = next((name for name in FROZEN if kept.get(name) != wanted[name]), None)
        if not other:
            return known
        if any(record.accepted for record in known):
            raise console.PlainError(
                f"{settings.folder} was collected with --{other.replace('_', '-')} {kept.get(other)}, not {wanted[other]}; "
                "give that, or another --dataset name."
            )
        manifest.replace_all(settings.folder, [])
    elif known:
        raise console.PlainError(f"{path} is missing; restore it from a copy.", console.DISK)
    wanted = {"frozen": wanted, "canonicaliser": face_images.CANONICALISER_VERSION}
    manifest.write_whole(path, (json.dumps(wanted, indent=1) + "\n").encode())
    return []


def _kept_settings(path: Path) -> dict[str, object]:
    try:
        return dict(checked_json.parsed(path.read_bytes())["frozen"].items())
    except (ValueError, KeyError, TypeError, AttributeError):
        raise console.PlainError(f"{path} is damaged; restore it from a copy.", console.DISK) from None


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
    if not path.exists() and any(record.group for record in records):
        raise console.PlainError(
            f"{path} is missing; restore it from a copy. It is not made anew, because it also says how often the hold-out was "
            "opened.",
            console.DISK,
        )
    frozen = splits.read(settings.folder) if path.exists() else splits.Splits(settings.shares)
    if any(record.group and record.group not in frozen.groups for record in records):
        raise console.PlainError(
            f"{path} and manifest.jsonl are not of the same state of the data set; restore both from one copy.", console.DISK
        )
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
