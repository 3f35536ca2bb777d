"""Proof that a detector has not learnt from what it is judged on: no file, no group and no near-duplicate in common."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data_collection import console, duplicates, manifest
from data_collection.manifest import FaceRecord
from training.saved_models import Card

if TYPE_CHECKING:
    from validation.evaluation_set import EvaluationSet


@dataclass(frozen=True)
class Overlap:
    """What was looked for among the images of training and validation split.

    Attributes:
        compared: with how many images.
        files, groups, near: pairs of file names (judged, learnt from) that are the same file, of one group, or nearly the same.
        dropped: how many images were taken out for it.
    """

    compared: int
    files: list[tuple[str, str]]
    groups: list[tuple[str, str]]
    near: list[tuple[str, str]]
    dropped: int = 0

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return [*self.files, *self.groups, *self.near]


def find(judged: Sequence[FaceRecord], learnt: Sequence[FaceRecord]) -> tuple[Overlap, set[str]]:
    """The overlap, and the ids of the judged images that are in it."""
    by_id = {record.id: record for record in learnt}
    by_group = {record.group: record for record in learnt if record.group}
    files, groups, near, ids = [], [], [], set()
    hashes = np.array([[int(r.phash, 16), int(r.phash_mirrored, 16)] for r in learnt if r.phash], dtype=np.uint64)
    hashed = [record for record in learnt if record.phash]
    for record in judged:
        if record.id in by_id:
            kind, other = files, by_id[record.id]
        elif record.group in by_group:
            kind, other = groups, by_group[record.group]
        else:
            kind, other = near, _nearest(record, hashed, hashes)
        if other:
            kind.append((record.file, other.file))
            ids.add(record.id)
    return Overlap(len(learnt), files, groups, near), ids


def _nearest(record: FaceRecord, learnt: Sequence[FaceRecord], hashes: np.ndarray) -> FaceRecord | None:
    if not record.phash or not len(hashes):
        return None
    apart = np.bitwise_count(hashes ^ np.uint64(int(record.phash, 16))).min(axis=1)
    closest = int(np.argmin(apart))
    return learnt[closest] if apart[closest] <= duplicates.NEAR else None


def of_training(card: Card, home: Path) -> tuple[list[FaceRecord], str]:
    """The images that a detector has learnt from or was tuned on, as far as they are here; and why others may be missing."""
    if not manifest.manifest_path(home).is_file():
        return [], f"{home}, which {card.name} was trained on, is not here"
    records = manifest.read(home)
    learnt = manifest.accepted(records, "train", "validation")
    if manifest.fingerprint(records) != card.dataset["fingerprint"]:
        return learnt, f"{home} is not, or is no longer, what {card.name} was trained on"
    if card.settings.get("finetuning", {}).get("accept_other_data"):
        return learnt, f"{card.name} was trained on other data before it was fine-tuned"
    return learnt, ""


def kept_apart(found: "EvaluationSet", card: Card, home: Path, drop: bool | None = None) -> "EvaluationSet":
    """The set with its overlap noted, or with the reason why it is not known.

    Args:
        home: where the data set of the training lies.
        drop: whether to leave out what is in the overlap; None where there is no such choice.

    Raises:
        PlainError: with exit code 5, if something is and it is not to be dropped, or nothing else is left.
    """
    learnt, doubt = of_training(card, home)
    shared, ids = find(found.records, learnt)
    rest = [record for record in found.records if record.id not in ids]
    if ids and not (drop and rest):
        mine, theirs = shared.pairs[0]
        way = {None: "", False: " Give --drop-known to judge the others.", True: " Nothing else is there."}[drop]
        raise console.PlainError(
            f"{len(ids)} of {len(found.records)} images of {found.name} are, or nearly are, among those that {card.name} has "
            f"learnt from ({mine} is {theirs}).{way}",
            console.LEAK,
        )
    if doubt:
        console.warn(f"{doubt}: nobody can say whether it knows these images.")
        return dataclasses.replace(found, records=rest, unchecked=doubt)
    return dataclasses.replace(found, records=rest, overlap=dataclasses.replace(shared, dropped=len(ids)))
