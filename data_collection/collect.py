"""Collect a data set: sources, ingestion, groups, frozen splits, summary, audit."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from data_collection import preflight, recipes
from data_collection.audit_dataset import audit_dataset
from data_collection.collection_summary import print_collection_summary
from data_collection.dataset import frozen_settings, manifest, splits
from data_collection.dataset.frozen_settings import FrozenSettings
from data_collection.dataset.manifest import FaceRecord
from data_collection.examination import SINGLE_COLOUR_REASON
from data_collection.generation import pregenerated, ray_generation
from data_collection.images import face_detector
from data_collection.ingest import ingest_images, reject_conflicting_labels
from data_collection.settings import CollectionSettings
from data_collection.source_types import CandidateFace, RequestedSource
from data_collection.sources.requested_sources import parse_requested_sources
from data_collection.sources.stable_diffusion import STABLE_DIFFUSION
from runtime import atomic_files, console
from runtime.atomic_files import remove_temp_files

MIN_IMAGES_PER_CLASS = 20
"""A class with fewer images than this cannot be split into three parts that mean anything."""


def collect_dataset(settings: CollectionSettings) -> None:
    """Gathers a data set, or carries on with one; then audits it.

    Raises:
        PlainError: a source that is none or cannot start, too few images, or settings that differ
            from the data set's.
    """
    asked = parse_requested_sources(settings)
    with atomic_files.lock_folder(settings.folder):
        known = (
            manifest.read_manifest(settings.folder)
            if manifest.manifest_path(settings.folder).exists()
            else []
        )
        for one in asked:
            one.source.check_request(one.request, known)
        preflight.check_requirements(asked, known, settings.folder)
        if settings.crop == "face":
            face_detector.load_face_detector()  # before hours are spent on drawing
        known = ensure_frozen_settings(settings, known)
        remove_temp_files(settings.folder)
        records, offered = collect_sources(asked, known, settings)
        records = reject_conflicting_labels(records, settings.folder)
        check_class_sizes(records)
        records = freeze_splits(records, settings)
        pregenerated.remove_ingested(settings.folder, records)
        recipes.write_recipe(settings, something_new=len(records) > len(known))
    print_collection_summary(records, len(records) - len(known), offered, settings)
    if settings.audit:
        audit_dataset(settings.folder, settings.logs, settings.seed, force=False)


def pregenerate(settings: CollectionSettings) -> None:
    """Draws this process's share of every Stable Diffusion source; the next collection takes the
    pictures in."""
    import torch
    from accelerate import PartialState

    state = PartialState(cpu=not torch.cuda.is_available())
    for one in _list_pregenerable_sources(settings):
        count = pregenerated.generate_shard(one, state)
        drawn = f"{count} faces drawn by process {state.process_index + 1} of {state.num_processes}"
        console.print_message(f"{one.request.source_name}: {drawn}.")
    state.destroy_process_group()


def pregenerate_on_ray(settings: CollectionSettings) -> None:
    """Draws every Stable Diffusion source on a Ray cluster; the next collection takes the pictures
    in."""
    for one in _list_pregenerable_sources(settings):
        console.print_message(
            f"{one.request.source_name}: {ray_generation.generate_missing_on_ray(one)} faces drawn by "
            "the cluster."
        )


def _list_pregenerable_sources(settings: CollectionSettings) -> Iterator[RequestedSource]:
    for one in parse_requested_sources(settings):
        if one.source is STABLE_DIFFUSION:
            yield one
        elif one.label == "generated":
            console.print_warning(
                f"Only stable-diffusion is drawn ahead; {one.request.source_name} is left to the "
                "collection."
            )


def collect_sources(
    asked: Sequence[RequestedSource], known: Sequence[FaceRecord], settings: CollectionSettings
) -> tuple[list[FaceRecord], int]:
    """Takes in one source after the other; returns all rows, and how many images were offered."""
    records, offered, names = list(known), 0, set()
    for source in asked:
        photographs = [record for record in records if record.accepted and record.label == "real"]
        found = source.source.list_candidates(replace(source.request, photographs=photographs))
        if not found:
            console.print_warning(f"{source.request.source_name} holds no files.")
        offered += len(found)
        names |= {PurePosixPath(face.file).name for face in found}
        while found:
            records += ingest_images(found, records, settings)
            found = _retry_blank_images(found, records)
    facts = asked[0].request.facts
    if facts.keys() - names:
        lost = facts.keys() - names
        console.print_warning(
            f"{len(lost)} rows of --facts name no file that was found, {min(lost)} for one."
        )
    return records, offered


def _retry_blank_images(
    found: Sequence[CandidateFace], records: Sequence[FaceRecord]
) -> list[CandidateFace]:
    """Return replacements of generated faces that came out in a single colour."""
    reasons = {
        (record.label, record.source, record.file): record.reason for record in records
    }  # the last one counts
    return [
        face.retry()
        for face in found
        if face.retry and reasons.get((face.label, face.source, face.file)) == SINGLE_COLOUR_REASON
    ]


def ensure_frozen_settings(
    settings: CollectionSettings, known: list[FaceRecord]
) -> list[FaceRecord]:
    """Saves the settings of a new data set; refuses to mix others into an old one.

    Returns the known rows; none if nothing was accepted with other settings, because then these
    begin anew.

    Raises:
        PlainError: the data set has other settings, or its file of them is missing or damaged.
    """
    folder, wanted = settings.folder, FrozenSettings.from_settings(settings)
    if frozen_settings.settings_path(folder).exists():
        frozen = frozen_settings.read_frozen_settings(folder)
        name = frozen.find_difference(wanted)
        if not name:
            return known
        if any(record.accepted for record in known):
            raise console.PlainError(
                f"{folder} was collected with --{name.replace('_', '-')} {getattr(frozen, name)}, "
                f"not {getattr(wanted, name)}; give that, or another --dataset name."
            )
        manifest.replace_records(folder, [])
    elif known:
        frozen_settings.read_frozen_settings(folder)  # raises: the file is missing
    frozen_settings.write_frozen_settings(folder, wanted)
    return []


def check_class_sizes(records: Sequence[FaceRecord]) -> None:
    count = Counter(record.label for record in records if record.accepted)
    for label in manifest.LABELS:
        if count[label] < MIN_IMAGES_PER_CLASS:
            reasons = Counter(
                r.rejection_kind for r in records if r.label == label and not r.accepted
            )
            why = (
                f" ({', '.join(f'{n} {reason}' for reason, n in reasons.most_common(3))})"
                if reasons
                else ""
            )
            raise console.PlainError(
                f"Only {count[label]} {label} images were accepted{why}; at least "
                f"{MIN_IMAGES_PER_CLASS} are needed. Add a source with "
                f"--{label} folder:PATH; what was collected is kept."
            )


def freeze_splits(records: Sequence[FaceRecord], settings: CollectionSettings) -> list[FaceRecord]:
    """Groups the images, places the new groups, and writes splits.json, then the manifest."""
    path = splits.splits_path(settings.folder)
    if not path.exists() and any(record.group for record in records):
        raise console.PlainError(
            f"{path} is missing; restore it from a copy. It is not made anew, because it also "
            "says how often the hold-out was "
            "opened.",
            console.EXIT_DISK,
        )
    frozen = (
        splits.read_splits(settings.folder)
        if path.exists()
        else splits.SplitAssignments(shares=settings.shares)
    )
    if any(record.group and record.group not in frozen.groups for record in records):
        raise console.PlainError(
            f"{path} and manifest.jsonl are not of the same state of the data set; restore both "
            "from one copy.",
            console.EXIT_DISK,
        )
    placed = splits.assign_splits(records, frozen)
    written = manifest.read_manifest(settings.folder)
    if placed != written or not path.exists():
        splits.seal_hold_out(placed, frozen)
        splits.write_splits(settings.folder, frozen)
        manifest.replace_records(settings.folder, placed)
    for split in splits.SPLITS:
        if {record.label for record in manifest.select_accepted(placed, split)} != set(
            manifest.LABELS
        ):
            console.print_warning(
                f"The {split} split lacks a class: its images form too few groups. Collect more "
                "sources."
            )
    return placed
