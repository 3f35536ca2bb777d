"""Drop or relabel an image of a data set, or undo it; the history and all files are kept.

The history is written first, then the splits, then the rows. The rows follow from the history, so
the next correction completes one that was interrupted.
"""

import datetime
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from data_collection.command_settings import CorrectSettings
from data_collection.dataset import manifest, near_duplicates, splits
from data_collection.dataset.manifest import FaceRecord
from data_collection.stored_datasets import corrections
from data_collection.stored_datasets.corrections import (
    CORRECTED_REASON,
    DROPPED,
    Correction,
    ImageState,
    describe_change,
)
from data_collection.stored_datasets.removal import AUDIT_FILES
from runtime import atomic_files, console
from runtime.terminal.counting import choose_verb, format_count

HOLD_OUT_ADVICE = (
    "is in the hold-out, and whoever changes that after a look at the results makes the figures "
    "better than they are; give --change-hold-out if it has to be, and every later report says so."
)


def correct_dataset(folder: Path, settings: CorrectSettings) -> None:
    """Do what the settings say with one image of a data set, or print the history.

    Raises:
        PlainError: there is no such data set or image, the change needs another option, or another
            command is writing the data set.
    """
    manifest.read_manifest(folder)  # before the lock creates a folder
    if settings.history:
        print_history(folder)
        return
    with atomic_files.lock_folder(folder):
        history = corrections.read_corrections(folder)
        records = corrections.apply_corrections(manifest.read_manifest(folder), history)
        images = _find_images(folder, records, settings)
        steps = _make_steps(folder, records, history, images, settings)
        _write(folder, records, [*history, *steps])
    _print_steps(folder, steps, images[0])


def _find_images(
    folder: Path, records: Sequence[FaceRecord], settings: CorrectSettings
) -> list[FaceRecord]:
    """Return the row of the named image, then those of its near-duplicates if they are asked for.

    Raises:
        PlainError: there is no such image, or near-duplicates would keep a label that it loses.
    """
    image = _find_image(folder, records, settings.image)
    if not image.accepted:
        return [image]
    copies = _find_copies(records, image)
    if copies and not settings.with_copies:
        names = ", ".join(f"{copy.source}/{copy.file}" for copy in copies[:3])
        count, also = len(copies), f"such as {names}" if len(copies) > 1 else names
        counted = (
            f"{format_count(count, 'near-duplicate')} of it, {also}, "
            f"{choose_verb(count, 'is', 'are')} {image.label}, too"
        )
        copies_word = choose_verb(count, "it", "them")
        if settings.label:
            raise console.PlainError(
                f"{counted}, and would teach the contrary; give --with-copies to relabel "
                f"{copies_word}, too."
            )
        stay = choose_verb(count, "stays", "stay")
        console.print_warning(f"{counted}, and {stay}; --with-copies takes {copies_word} along.")
    return [image, *(copies if settings.with_copies else ())]


def _find_image(folder: Path, records: Sequence[FaceRecord], name: str) -> FaceRecord:
    """Return the accepted row of an image, or the dropped one."""
    found: dict[str, FaceRecord] = {}
    for record in records:
        if not (record.accepted or record.reason.startswith(CORRECTED_REASON)):
            continue
        if name in (record.file, f"{record.source}/{record.file}") or record.id.startswith(name):
            known = found.setdefault(record.id, record)
            found[record.id] = record if record.accepted else known
    if len(found) != 1:
        raise console.PlainError(
            f"{len(found) or 'No'} images of {folder} are called {name}; give a `file` of "
            "manifest.jsonl, SOURCE/FILE, or the beginning of an `id`."
        )
    return next(iter(found.values()))


def _find_copies(records: Sequence[FaceRecord], image: FaceRecord) -> list[FaceRecord]:
    """Return the near-duplicates of an image that have its label; all are in its group."""
    group = [
        record
        for record in records
        if record.accepted and record.group == image.group and record.label == image.label
    ]
    pairs = near_duplicates.find_near_duplicate_pairs(group).tolist()
    number = group.index(image)
    return [group[a if b == number else b] for a, b in pairs if number in (a, b)]


def _make_steps(
    folder: Path,
    records: Sequence[FaceRecord],
    history: Sequence[Correction],
    images: Sequence[FaceRecord],
    settings: CorrectSettings,
) -> list[Correction]:
    """Return the steps that change the images; empty if nothing changes.

    Raises:
        PlainError: an option is missing.
    """
    frozen = splits.read_splits(folder)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    first = {row.id: row.before for row in reversed(history)}
    steps = []
    for image in images:
        is_dropped = not image.accepted
        before = ImageState(DROPPED if is_dropped else image.label, image.source)
        after = _choose_state(records, image, first.get(image.id, before), settings)
        if after == before:
            continue
        if image.split == "hold-out" and not settings.change_hold_out:
            raise console.PlainError(f"{image.source}/{image.file} {HOLD_OUT_ADVICE}")
        steps.append(
            Correction(
                time=now,
                id=image.id,
                file=image.file,
                split=image.split,
                before=before,
                after=after,
                because=settings.because,
                hold_out_openings=len(frozen.hold_out_opened),
                fingerprint=manifest.compute_fingerprint(records),
                hold_out_sha256=splits.compute_hold_out_sha256(records),
            )
        )
    return steps


def _choose_state(
    records: Sequence[FaceRecord],
    image: FaceRecord,
    original: ImageState,
    settings: CorrectSettings,
) -> ImageState:
    """Return what an image becomes; relabelled, it joins a source of its new class.

    Raises:
        PlainError: it is not known which one.
    """
    if settings.undo:
        return original
    if settings.drop:
        return ImageState(DROPPED, image.source)
    if image.accepted and image.label == settings.label and not settings.source:
        return ImageState(image.label, image.source)
    source = settings.source or (
        original.source if original.label == settings.label else image.source
    )
    sources = sorted(
        {row.source for row in records if row.accepted and row.label == settings.label}
    )
    if source not in sources:
        raise console.PlainError(
            f"{source} has no {settings.label} images; say with --source which one "
            f"{image.source}/{image.file} belongs to, of {', '.join(sources)}."
        )
    return ImageState(settings.label, source)


def _write(folder: Path, records: Sequence[FaceRecord], history: Sequence[Correction]) -> None:
    """Write the history, then all that follows from it."""
    corrections.write_corrections(folder, history)
    corrected = corrections.apply_corrections(records, history)
    if corrected == manifest.read_manifest(folder):
        return
    for name in AUDIT_FILES:
        (folder / name).unlink(missing_ok=True)
    frozen = splits.read_splits(folder)
    splits.seal_hold_out(corrected, frozen)
    splits.write_splits(folder, frozen)
    manifest.replace_records(folder, corrected)


def _print_steps(folder: Path, steps: Sequence[Correction], image: FaceRecord) -> None:
    for step in steps:
        console.print_message(
            f"{step.before.source}/{step.file} ({step.id[:12]}, {step.split}): "
            f"{describe_change(step)}."
        )
    if not steps:
        console.print_message(f"{image.source}/{image.file} is so already; nothing changed.")
        return
    left = Counter(record.label for record in manifest.read_manifest(folder) if record.accepted)
    counts = " and ".join(f"{left[label]:,} {label}" for label in manifest.LABELS)
    console.print_message(
        f"{folder} has {counts} images now. Detectors that are trained already stay as they are: "
        f"audit and train again (python -m data_collection audit {folder})."
    )


def print_history(folder: Path) -> None:
    """Print every correction of a data set, the oldest first."""
    history = corrections.read_corrections(folder)
    if not history:
        console.print_message(f"No image of {folder} was dropped or relabelled by hand.")
        return
    rows = [
        [step.time[:16], step.id[:12], step.file, step.split, describe_change(step), step.because]
        for step in history
    ]
    columns = ["time (UTC)", "id", "file", "split", "change", "because"]
    console.print_table(f"Corrections of {folder}", columns, rows)
