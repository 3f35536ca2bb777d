"""Check that no file, group or near-duplicate is used both for training and for evaluation."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from data_collection.dataset import manifest, near_duplicates, thumbnails
from data_collection.dataset.manifest import FaceRecord
from data_collection.stored_datasets import corrections
from runtime import console
from runtime.terminal.counting import choose_verb
from training.detectors.card import Card
from validation.data.evaluation_set import EvaluationSet, TrainingOverlap


def find_overlap(
    records: Sequence[FaceRecord], training_records: Sequence[FaceRecord]
) -> tuple[TrainingOverlap, set[str]]:
    """Return the overlap with the training images, and the ids of the records that are in it."""
    by_id = {record.id: record for record in training_records}
    by_group = {record.group: record for record in training_records if record.group}
    files = [(record, by_id[record.id]) for record in records if record.id in by_id]
    others = [record for record in records if record.id not in by_id]
    groups = [(record, by_group[record.group]) for record in others if record.group in by_group]
    others = [record for record in others if record.group not in by_group]
    pairs = near_duplicates.find_near_duplicates_between(others, training_records)
    first_match = {index: known for index, known in reversed(pairs.tolist())}
    copies = [(others[i], training_records[first_match[i]]) for i in sorted(first_match)]
    matches = (files, groups, copies)
    names = [[(record.file, known.file) for record, known in part] for part in matches]
    overlap = TrainingOverlap(
        compared=len(training_records),
        compared_by_hash_only=sum(not record.thumbnail for record in training_records),
        files=names[0],
        groups=names[1],
        near_duplicates=names[2],
    )
    return overlap, {record.id for part in matches for record, _ in part}


def load_training_records(card: Card, training_folder: Path) -> tuple[list[FaceRecord], str]:
    """Load the training and validation images of a detector that are here, with those that were
    dropped or relabelled since as they were.

    Returns:
        The records, and the reason why others may be missing; empty if none is.
    """
    if not manifest.manifest_path(training_folder).is_file():
        return [], f"{training_folder}, which {card.name} was trained on, is not here"
    records = manifest.read_manifest(training_folder)
    is_same = manifest.compute_fingerprint(records) == card.dataset.fingerprint
    earlier = (
        None
        if is_same
        else corrections.restore_trained_records(training_folder, records, card.dataset.fingerprint)
    )
    training_records = manifest.select_accepted(earlier or records, "train", "validation")
    reason = ""
    if not (is_same or earlier):
        reason = f"{training_folder} is not, or is no longer, what {card.name} was trained on"
    elif card.search.finetuning and card.search.finetuning.accept_other_data:
        reason = f"{card.name} was trained on other data before it was fine-tuned"
    return training_records, reason


def separate_from_training(
    data: EvaluationSet, card: Card, training_folder: Path, drop_overlap: bool | None = None
) -> EvaluationSet:
    """Return the set with its overlap with the training, or with the reason why that is unknown.

    Args:
        training_folder: folder of the data set of the training.
        drop_overlap: whether to leave out images of the overlap; None if there is no such option.

    Raises:
        PlainError: with exit code 5, if there is an overlap that is not dropped, or no other image.
    """
    training_records, unknown_reason = load_training_records(card, training_folder)
    shared, ids = find_overlap(
        thumbnails.add_missing_thumbnails(data.folder, data.records),
        thumbnails.add_missing_thumbnails(training_folder, training_records),
    )
    remaining = [record for record in data.records if record.id not in ids]
    if ids and not (drop_overlap and remaining):
        file, training_file = shared.pairs[0]
        advice = {
            None: "",
            False: " Give --drop-known to leave them out.",
            True: " No other image is left.",
        }[drop_overlap]
        raise console.PlainError(
            f"{len(ids)} of {len(data.records)} images of {data.name} "
            f"{choose_verb(len(ids), 'was', 'were')} used to train {card.name}, or nearly the same "
            f"{choose_verb(len(ids), 'one was', 'were')} ({file} is {training_file}).{advice}",
            console.EXIT_LEAK,
        )
    if unknown_reason:
        console.print_warning(
            f"{unknown_reason}, so it may have been trained on some of these images."
        )
        return dataclasses.replace(data, records=remaining, overlap_unknown_reason=unknown_reason)
    return dataclasses.replace(
        data, records=remaining, overlap=dataclasses.replace(shared, dropped=len(ids))
    )
