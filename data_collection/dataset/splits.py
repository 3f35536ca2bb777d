"""splits.json: which split every group belongs to; decided once, frozen, and hashed.

A later image joins its group's split. If that is the hold-out, or if the image connects groups of
different splits, it is quarantined: an image never changes its split.
"""

import datetime
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from data_collection.dataset import grouping, manifest
from data_collection.dataset.manifest import FaceRecord, Split
from runtime import atomic_files, checked_json, console

SPLITS: tuple[Split, ...] = ("train", "validation", "hold-out")
QUARANTINE: Split = "quarantine"


@dataclass(kw_only=True)
class SplitAssignments:
    """Content of splits.json.

    Attributes:
        shares: intended shares of images in train, validation and hold-out.
        groups: split of every group, by group id.
        hold_out_sha256: hash over ids and labels of the hold-out's images.
        hold_out_images: number of images in the hold-out.
        hold_out_opened: one entry per validation: time (UTC) and model name.
    """

    shares: dict[str, float]
    groups: dict[str, str] = field(default_factory=dict)
    hold_out_sha256: str = ""
    hold_out_images: int = 0
    hold_out_opened: list[dict[str, str]] = field(default_factory=list)


def splits_path(folder: Path) -> Path:
    return folder / "splits.json"


def read_splits(folder: Path) -> SplitAssignments:
    path = splits_path(folder)
    try:
        return checked_json.parse_json_as(path.read_bytes(), SplitAssignments)
    except FileNotFoundError:
        raise console.PlainError(
            f"{folder} has no splits yet; run python -m data_collection to the end."
        ) from None
    except ValueError:
        raise console.PlainError(
            f"{path} is damaged; restore it from a copy.", console.EXIT_DISK
        ) from None


def write_splits(folder: Path, splits: SplitAssignments) -> None:
    atomic_files.write_atomically(
        splits_path(folder), (json.dumps(asdict(splits), indent=1) + "\n").encode()
    )


def assign_splits(records: Sequence[FaceRecord], splits: SplitAssignments) -> list[FaceRecord]:
    """Give every accepted row a group and a split; rows that have them keep them. Add new groups
    to `splits`."""
    assigned = list(records)
    faces = [index for index, record in enumerate(assigned) if record.accepted]
    if not faces:
        return assigned
    new_groups: list[tuple[str, list[int]]] = []
    for members in grouping.group_records([assigned[index] for index in faces]):
        members = [faces[member] for member in members]
        known_groups = {assigned[index].group for index in members if assigned[index].group}
        newcomers = [index for index in members if not assigned[index].group]
        if not known_groups:
            # A group whose rows were lost is recognised by its images' ids and gets its old split.
            lost_groups = {assigned[index].id for index in members} & splits.groups.keys()
            if lost_groups:
                known_groups, newcomers = lost_groups, members
            else:
                new_groups.append((min(assigned[index].id for index in members), members))
        for index in newcomers if known_groups else ():
            group = min(known_groups)
            known_splits = {splits.groups[known_group] for known_group in known_groups}
            split = splits.groups[group] if len(known_splits) == 1 else QUARANTINE
            if split == "hold-out" and assigned[index].id != group:
                split = QUARANTINE
            assigned[index] = replace(assigned[index], group=group, split=split)
    for group, members, split in _assign_new_groups(assigned, new_groups, splits.shares):
        splits.groups[group] = split
        for index in members:
            assigned[index] = replace(assigned[index], group=group, split=split)
    return assigned


def _assign_new_groups(
    records: Sequence[FaceRecord],
    new_groups: Iterable[tuple[str, list[int]]],
    shares: dict[str, float],
) -> Iterable[tuple[str, list[int], str]]:
    """Assign new groups, stratum by stratum (label and source), to the split that lacks most
    images."""
    strata: dict[tuple[str, str], list[tuple[str, list[int]]]] = defaultdict(list)
    for group, members in new_groups:
        first = min((records[index] for index in members), key=lambda record: record.id)
        strata[first.label, first.source].append((group, members))
    for stratum in sorted(strata):
        sizes = Counter(
            r.split for r in records if r.accepted and r.split and (r.label, r.source) == stratum
        )
        # Large groups first, so that small ones can balance the shares; equal ones by hash.
        for group, members in sorted(strata[stratum], key=lambda pair: (-len(pair[1]), pair[0])):
            total = sum(sizes[split] for split in SPLITS) + len(members)
            split = max(SPLITS, key=lambda name: shares[name] * total - sizes[name])
            sizes[split] += len(members)
            yield group, members, split


def compute_hold_out_sha256(records: Iterable[FaceRecord]) -> str:
    rows = sorted(
        (record.id, record.label)
        for record in records
        if record.accepted and record.split == "hold-out"
    )
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def seal_hold_out(records: Sequence[FaceRecord], splits: SplitAssignments) -> None:
    """Record the hold-out's size and hash in `splits`; only new sources add groups to it."""
    splits.hold_out_images = len(manifest.select_accepted(records, "hold-out"))
    splits.hold_out_sha256 = compute_hold_out_sha256(records)


def check_splits(records: Sequence[FaceRecord], splits: SplitAssignments) -> None:
    """Check that the hold-out is unchanged and that no group crosses a split.

    Raises:
        PlainError: with exit code 5, if the hold-out has changed or a group crosses a split.
    """
    if compute_hold_out_sha256(records) != splits.hold_out_sha256:
        raise console.PlainError(
            "The hold-out is not the one recorded in splits.json; restore manifest.jsonl and "
            "splits.json.",
            console.EXIT_LEAK,
        )
    for record in records:
        if (
            record.accepted
            and record.split != QUARANTINE
            and splits.groups.get(record.group) != record.split
        ):
            raise console.PlainError(
                f"{record.source}/{record.file} is in {record.split or 'no split'}, its group is "
                "not; restore manifest.jsonl and splits.json.",
                console.EXIT_LEAK,
            )


def record_hold_out_opening(folder: Path, model: str) -> int:
    """Record that the hold-out was opened for `model` and return how often it has been opened."""
    with atomic_files.lock_folder(folder):
        splits = read_splits(folder)
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        splits.hold_out_opened.append({"time": now, "model": model})
        write_splits(folder, splits)
    return len(splits.hold_out_opened)
