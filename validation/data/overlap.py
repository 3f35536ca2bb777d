"""Proof that a detector has not learnt from what it is judged on: no file, no group and no
near-duplicate in common."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data_collection.dataset import grouping, manifest
from data_collection.dataset.manifest import FaceRecord
from runtime import console
from training.detectors.card import Card
from validation.data.evaluation_set import EvaluationSet, TrainingOverlap


def find_overlap(
    scored: Sequence[FaceRecord], learnt: Sequence[FaceRecord]
) -> tuple[TrainingOverlap, set[str]]:
    """The overlap, and the ids of the judged images that are in it."""
    by_id = {record.id: record for record in learnt}
    by_group = {record.group: record for record in learnt if record.group}
    files, groups, near, ids = [], [], [], set()
    hashes = np.array(
        [[int(r.phash, 16), int(r.phash_mirrored, 16)] for r in learnt if r.phash], dtype=np.uint64
    )
    hashed = [record for record in learnt if record.phash]
    for record in scored:
        if record.id in by_id:
            kind, other = files, by_id[record.id]
        elif record.group in by_group:
            kind, other = groups, by_group[record.group]
        else:
            kind, other = near, _find_near_duplicate(record, hashed, hashes)
        if other:
            kind.append((record.file, other.file))
            ids.add(record.id)
    return TrainingOverlap(len(learnt), files, groups, near), ids


def _find_near_duplicate(
    record: FaceRecord, learnt: Sequence[FaceRecord], hashes: np.ndarray
) -> FaceRecord | None:
    if not record.phash or not len(hashes):
        return None
    apart = np.bitwise_count(hashes ^ np.uint64(int(record.phash, 16))).min(axis=1)
    closest = int(np.argmin(apart))
    return learnt[closest] if apart[closest] <= grouping.MAX_NEAR_DUPLICATE_BITS else None


def load_training_records(card: Card, home: Path) -> tuple[list[FaceRecord], str]:
    """The images that a detector has learnt from or was tuned on, as far as they are here; and why
    others may be missing."""
    if not manifest.manifest_path(home).is_file():
        return [], f"{home}, which {card.name} was trained on, is not here"
    records = manifest.read_manifest(home)
    learnt = manifest.select_accepted(records, "train", "validation")
    if manifest.compute_fingerprint(records) != card.dataset.fingerprint:
        return learnt, f"{home} is not, or is no longer, what {card.name} was trained on"
    if card.search.finetuning and card.search.finetuning.accept_other_data:
        return learnt, f"{card.name} was trained on other data before it was fine-tuned"
    return learnt, ""


def separate_from_training(
    found: "EvaluationSet", card: Card, home: Path, drop: bool | None = None
) -> "EvaluationSet":
    """The set with its overlap noted, or with the reason why it is not known.

    Args:
        home: where the data set of the training lies.
        drop: whether to leave out what is in the overlap; None where there is no such choice.

    Raises:
        PlainError: with exit code 5, if something is and it is not to be dropped, or nothing else
            is left.
    """
    learnt, doubt = load_training_records(card, home)
    shared, ids = find_overlap(found.records, learnt)
    rest = [record for record in found.records if record.id not in ids]
    if ids and not (drop and rest):
        mine, theirs = shared.pairs[0]
        way = {
            None: "",
            False: " Give --drop-known to judge the others.",
            True: " Nothing else is there.",
        }[drop]
        raise console.PlainError(
            f"{len(ids)} of {len(found.records)} images of {found.name} are, or nearly are, among those that {card.name} has "
            f"learnt from ({mine} is {theirs}).{way}",
            console.EXIT_LEAK,
        )
    if doubt:
        console.print_warning(f"{doubt}: nobody can say whether it knows these images.")
        return dataclasses.replace(found, records=rest, overlap_unknown_reason=doubt)
    return dataclasses.replace(
        found, records=rest, overlap=dataclasses.replace(shared, dropped=len(ids))
    )
