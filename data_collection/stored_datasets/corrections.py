"""corrections.jsonl: the history of the images of a data set that were dropped or relabelled.

The rows of a data set follow from the history: a dropped image is a rejected row; a relabelled one
is a rejected row of the old label, and an accepted one of the new label, so that a collection knows
both. Files are never touched, so every step can be undone, and the rows that an earlier detector
was trained on can be restored.
"""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data_collection.dataset import manifest, splits
from data_collection.dataset.manifest import FaceRecord
from runtime import atomic_files, checked_json, console

CORRECTIONS_FILE = "corrections.jsonl"
CORRECTED_REASON = "corrected by hand"
"""The reason of a row that a correction rejects begins like this."""

DROPPED = "dropped"


@dataclass(frozen=True)
class ImageState:
    """State of an image of a data set: its class and source, or that it was dropped."""

    label: Literal["real", "generated", "dropped"]
    source: str


@dataclass(frozen=True, kw_only=True)
class Correction:
    """One step of the history.

    Attributes:
        time: UTC.
        id, file, split: of the image.
        because: the reason that was given.
        hold_out_openings: how often the hold-out had been opened.
        fingerprint, hold_out_sha256: of the data set before, as the cards of detectors have them.
    """

    time: str
    id: str
    file: str
    split: str
    before: ImageState
    after: ImageState
    because: str
    hold_out_openings: int
    fingerprint: str
    hold_out_sha256: str


def describe_change(step: Correction) -> str:
    """Return a step in words: "generated of sd-turbo is now real of ffhq"."""
    before, after = (
        DROPPED if state.label == DROPPED else f"{state.label} of {state.source}"
        for state in (step.before, step.after)
    )
    return f"{before} is now {after}"


def read_corrections(folder: Path) -> list[Correction]:
    """Read the history, the oldest first; empty if nothing was corrected.

    Raises:
        PlainError: the file is damaged.
    """
    path = folder / CORRECTIONS_FILE
    try:
        return [
            checked_json.parse_json_as(line, Correction) for line in path.read_bytes().splitlines()
        ]
    except FileNotFoundError:
        return []
    except ValueError:
        raise console.PlainError(
            f"{path} is damaged; restore it from a copy.", console.EXIT_DISK
        ) from None


def write_corrections(folder: Path, corrections: Iterable[Correction]) -> None:
    text = "".join(json.dumps(dataclasses.asdict(row)) + "\n" for row in corrections)
    atomic_files.write_atomically(folder / CORRECTIONS_FILE, text.encode())


def apply_corrections(
    records: Sequence[FaceRecord], corrections: Sequence[Correction]
) -> list[FaceRecord]:
    """Return the rows with every image as its last correction left it; whoever applies the history
    again changes nothing."""
    last = {correction.id: correction for correction in corrections}
    return _set_states(records, corrections, {image: row.after for image, row in last.items()})


def reapply_corrections(folder: Path, records: list[FaceRecord]) -> list[FaceRecord]:
    """Return the rows after a collection, which may have brought corrected images back; write the
    manifest if they did."""
    corrected = apply_corrections(records, read_corrections(folder))
    if corrected != records:
        manifest.replace_records(folder, corrected)
    return corrected


def restore_records(
    records: Sequence[FaceRecord], corrections: Sequence[Correction], start: int
) -> list[FaceRecord]:
    """Return the rows as they were before the correction of index `start` and all later ones."""
    undone = {correction.id: correction.before for correction in reversed(corrections[start:])}
    return _set_states(records, corrections, undone)


def _set_states(
    records: Sequence[FaceRecord],
    corrections: Sequence[Correction],
    states: Mapping[str, ImageState],
) -> list[FaceRecord]:
    """Return the rows with the images of `states` in these; relabelled rows come last."""
    reasons = {row.id: f"{CORRECTED_REASON}: {row.because}" for row in corrections}
    collected = _find_collected_rows(records, corrections, states)
    rows, relabelled = [], []
    for index, record in enumerate(records):
        state = states.get(record.id)
        first = records[collected[record.id]] if record.id in collected else record
        if state is None or record.id not in collected:
            rows.append(record)
        elif collected[record.id] == index:
            made = list(_make_rows(record, state, reasons[record.id]))
            rows.append(made[0])
            relabelled += made[1:]
        elif not _is_relabelled(record, first):
            reason = f"duplicate of {first.source}/{first.file}, {reasons[record.id]}"
            rows.append(dataclasses.replace(record, status="rejected", reason=reason))
    return [*rows, *relabelled]


def _find_collected_rows(
    records: Sequence[FaceRecord],
    corrections: Sequence[Correction],
    states: Mapping[str, ImageState],
) -> dict[str, int]:
    """Return the index of the row under which each image was collected, or of another one if its
    source was removed."""
    originals = {correction.id: correction.before for correction in reversed(corrections)}
    collected: dict[str, int] = {}
    for index, record in enumerate(records):
        if record.id in states and _is_decided(record):
            known = collected.setdefault(record.id, index)
            original = originals[record.id]
            if _get_state(records[known]) != original == _get_state(record):
                collected[record.id] = index
    return collected


def _get_state(record: FaceRecord) -> ImageState:
    return ImageState(record.label, record.source)


def _is_decided(record: FaceRecord) -> bool:
    """Return whether corrections decide about a row; others were rejected as copies."""
    return record.accepted or record.reason.startswith(CORRECTED_REASON)


def _is_relabelled(record: FaceRecord, collected: FaceRecord) -> bool:
    """Return whether a correction made this row of another one."""
    return record.accepted and (record.file, record.original) == (
        collected.file,
        collected.original,
    )


def _make_rows(collected: FaceRecord, state: ImageState, reason: str) -> Iterator[FaceRecord]:
    """Yield the rows of an image in a state, given the one under which it was collected."""
    if state == _get_state(collected):
        yield dataclasses.replace(collected, status="accepted", reason="")
        return
    yield dataclasses.replace(collected, status="rejected", reason=reason)
    if state.label != DROPPED:
        yield dataclasses.replace(
            collected, label=state.label, source=state.source, status="accepted", reason=""
        )


def find_hold_out_corrections(folder: Path) -> list[Correction]:
    """Return what was corrected of the hold-out and not undone: the last step of each image."""
    corrections = [row for row in read_corrections(folder) if row.split == "hold-out"]
    first = {row.id: row for row in reversed(corrections)}
    last = {row.id: row for row in corrections}
    return [row for row in last.values() if row.after != first[row.id].before]


def restore_trained_records(
    folder: Path, records: Sequence[FaceRecord], fingerprint: str
) -> list[FaceRecord] | None:
    """Return the rows as they were when the data set had this fingerprint; None if it never had,
    as far as the history tells."""
    corrections = read_corrections(folder)
    for start, correction in enumerate(corrections):
        if correction.fingerprint == fingerprint:
            earlier = restore_records(records, corrections, start)
            if manifest.compute_fingerprint(earlier) == fingerprint:
                return earlier
    return None


def had_hold_out(folder: Path, records: Sequence[FaceRecord], hold_out_sha256: str) -> bool:
    """Return whether the hold-out was the one of this hash before it was corrected."""
    corrections = read_corrections(folder)
    return any(
        splits.compute_hold_out_sha256(restore_records(records, corrections, start))
        == hold_out_sha256
        for start, correction in enumerate(corrections)
        if correction.hold_out_sha256 == hold_out_sha256
    )
