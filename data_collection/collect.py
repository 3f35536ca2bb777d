"""Collect a data set: sources, ingestion, groups, frozen splits, summary, audit."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from data_collection import file_sources, preflight, recipes
from data_collection.audit_dataset import audit_dataset
from data_collection.collection_summary import print_collection_summary
from data_collection.dataset import (
    frozen_settings,
    manifest,
    source_names,
    splits,
    thumbnails,
)
from data_collection.dataset.frozen_settings import FrozenSettings
from data_collection.dataset.manifest import FaceRecord
from data_collection.examination import SINGLE_COLOUR_REASON
from data_collection.facts.facts_csv import read_facts
from data_collection.generation import pregenerated, ray_generation
from data_collection.ingest import ingest_images, reject_conflicting_labels
from data_collection.settings import CollectionSettings
from data_collection.source_types import CandidateFace, RequestedSource
from data_collection.sources.requested_sources import parse_requested_sources
from data_collection.sources.stable_diffusion import STABLE_DIFFUSION
from data_collection.stored_datasets import corrections
from runtime import atomic_files, console
from runtime.atomic_files import remove_temp_files
from runtime.terminal.counting import format_count

MIN_IMAGES_PER_CLASS = 20
"""A class with fewer images than this cannot be split into three parts that mean anything."""


def collect_dataset(settings: CollectionSettings) -> Path:
    """Collect a data set, or continue one, then audit it.

    Returns:
        The data set's folder.

    Raises:
        PlainError: a source is unknown or cannot start, there are too few images, or the settings
            differ from the data set's.
    """
    requested_sources = parse_requested_sources(settings)
    is_new = not settings.folder.exists()
    if is_new:  # a collection that cannot start leaves no folder
        preflight.check_start(requested_sources, [], settings.folder)
    with atomic_files.lock_folder(settings.folder):
        known = (
            manifest.read_manifest(settings.folder)
            if manifest.manifest_path(settings.folder).exists()
            else []
        )
        if not is_new:
            preflight.check_start(requested_sources, known, settings.folder)
        source_names.warn_of_similar_names(
            [
                *((record.label, record.source) for record in known if record.accepted),
                *((source.label, source.request.source_name) for source in requested_sources),
            ]
        )
        known = ensure_frozen_settings(settings, known)
        remove_temp_files(settings.folder)
        records, n_offered = collect_sources(requested_sources, known, settings)
        records = corrections.reapply_corrections(settings.folder, records)
        records = reject_conflicting_labels(records, settings.folder)
        check_class_sizes(records)
        records = freeze_splits(records, settings)
        pregenerated.remove_ingested(settings.folder, records)
        recipes.write_recipe(settings, something_new=len(records) > len(known))
    print_collection_summary(records, len(records) - len(known), n_offered, settings)
    if settings.audit:
        audit_dataset(settings.folder, settings.logs, settings.seed, force=False)
    return settings.folder


def pregenerate(settings: CollectionSettings) -> None:
    """Generate this process's share of every Stable Diffusion source, for the next collection."""
    import torch
    from accelerate import PartialState

    state = PartialState(cpu=not torch.cuda.is_available())
    for requested in _list_pregenerable_sources(settings):
        n_faces = pregenerated.generate_shard(requested, state)
        console.print_message(
            f"{requested.request.source_name}: process {state.process_index + 1} of "
            f"{state.num_processes} generated {format_count(n_faces, 'face')}."
        )
    state.destroy_process_group()


def pregenerate_on_ray(settings: CollectionSettings) -> None:
    """Generate every Stable Diffusion source on a Ray cluster, for the next collection."""
    for requested in _list_pregenerable_sources(settings):
        n_faces = ray_generation.generate_missing_on_ray(requested)
        console.print_message(
            f"{requested.request.source_name}: the cluster generated "
            f"{format_count(n_faces, 'face')}."
        )


def _list_pregenerable_sources(settings: CollectionSettings) -> Iterator[RequestedSource]:
    for requested in parse_requested_sources(settings):
        if requested.source is STABLE_DIFFUSION:
            yield requested
        elif requested.label == "generated":
            console.print_warning(
                f"Only stable-diffusion can be pregenerated; {requested.request.source_name} is "
                "left to the collection."
            )


def collect_sources(
    requested_sources: Sequence[RequestedSource],
    known: Sequence[FaceRecord],
    settings: CollectionSettings,
) -> tuple[list[FaceRecord], int]:
    """Ingest one source after the other; return all rows and the number of images offered.

    Raises:
        PlainError: a source fails, or its files do not fit its label or the facts; then nothing is
            collected.
    """
    listings = file_sources.list_files(requested_sources, read_facts(settings.facts), known)
    records, n_offered = list(known), 0
    for requested, listing in zip(requested_sources, listings, strict=True):
        photographs = [record for record in records if record.accepted and record.label == "real"]
        candidates = (
            requested.source.list_candidates(replace(requested.request, photographs=photographs))
            if listing is None
            else listing
        )
        if not candidates:
            console.print_warning(f"{requested.request.source_name} holds no files.")
        n_offered += len(candidates)
        while candidates:
            records += ingest_images(candidates, records, settings)
            candidates = _retry_blank_images(candidates, records)
    return records, n_offered


def _retry_blank_images(
    candidates: Sequence[CandidateFace], records: Sequence[FaceRecord]
) -> list[CandidateFace]:
    """Return replacements of generated faces that came out in a single colour."""
    # Of several rows the last one counts.
    reasons = {(record.label, record.source, record.file): record.reason for record in records}
    return [
        face.retry()
        for face in candidates
        if face.retry and reasons.get((face.label, face.source, face.file)) == SINGLE_COLOUR_REASON
    ]


def ensure_frozen_settings(
    settings: CollectionSettings, known: list[FaceRecord]
) -> list[FaceRecord]:
    """Save the settings of a new data set, or check that they match those of an existing one.

    Returns:
        The known rows; none if no image was accepted with other settings, because then the data
        set starts anew with these.

    Raises:
        PlainError: the data set has other settings, or settings.json is missing or damaged.
    """
    folder, requested = settings.folder, FrozenSettings.from_settings(settings)
    if frozen_settings.settings_path(folder).exists():
        frozen = frozen_settings.read_frozen_settings(folder)
        name = frozen.find_difference(requested)
        if not name:
            return known
        if any(record.accepted for record in known):
            raise console.PlainError(
                f"{folder} was collected with --{name.replace('_', '-')} {getattr(frozen, name)}, "
                f"not {getattr(requested, name)}; give that, or another --dataset name."
            )
        manifest.replace_records(folder, [])
    elif known:
        frozen_settings.read_frozen_settings(folder)  # raises: the file is missing
    frozen_settings.write_frozen_settings(folder, requested)
    return []


def check_class_sizes(records: Sequence[FaceRecord]) -> None:
    """Raise PlainError if a class has fewer than MIN_IMAGES_PER_CLASS accepted images."""
    n_accepted = Counter(record.label for record in records if record.accepted)
    for label in manifest.LABELS:
        if n_accepted[label] < MIN_IMAGES_PER_CLASS:
            reasons = Counter(
                r.rejection_kind for r in records if r.label == label and not r.accepted
            )
            counts = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(3))
            raise console.PlainError(
                f"Only {n_accepted[label]} {label} images were accepted"
                f"{f' ({counts})' if counts else ''}; at least {MIN_IMAGES_PER_CLASS} are needed. "
                f"Add a source with --{label} folder:PATH; collected images are kept."
            )


def freeze_splits(records: Sequence[FaceRecord], settings: CollectionSettings) -> list[FaceRecord]:
    """Group the images, assign new groups to splits, write splits.json, then the manifest."""
    path = splits.splits_path(settings.folder)
    if not path.exists() and any(record.group for record in records):
        raise console.PlainError(
            f"{path} is missing; restore it from a copy. It cannot be created again, because it "
            "also records how often the hold-out was opened.",
            console.EXIT_DISK,
        )
    frozen = (
        splits.read_splits(settings.folder)
        if path.exists()
        else splits.SplitAssignments(shares=settings.shares)
    )
    if any(record.group and record.group not in frozen.groups for record in records):
        raise console.PlainError(
            f"{path} does not match manifest.jsonl. Restore both from the same backup.",
            console.EXIT_DISK,
        )
    records = thumbnails.add_missing_thumbnails(settings.folder, records)
    assigned = splits.assign_splits(records, frozen)
    if assigned != manifest.read_manifest(settings.folder) or not path.exists():
        splits.seal_hold_out(assigned, frozen)
        splits.write_splits(settings.folder, frozen)
        manifest.replace_records(settings.folder, assigned)
    for split in splits.SPLITS:
        labels = {record.label for record in manifest.select_accepted(assigned, split)}
        if labels != set(manifest.LABELS):
            console.print_warning(
                f"The {split} split lacks a class: its images form too few groups. Collect more "
                "sources."
            )
    return assigned
