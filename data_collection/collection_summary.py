"""Print the result of a collection as a table, one row per source."""

from collections import Counter
from collections.abc import Sequence

from data_collection import recipes
from data_collection.dataset import manifest, splits
from data_collection.dataset.manifest import FaceRecord
from data_collection.settings import CollectionSettings
from runtime import console
from runtime.terminal.counting import format_count


def print_collection_summary(
    records: Sequence[FaceRecord], n_new: int, n_offered: int, settings: CollectionSettings
) -> None:
    """Print, per source: images found, accepted, rejected, groups, split sizes; below, the reasons
    of the rejections."""
    used_splits: list[str] = list(splits.SPLITS)
    if any(record.split == splits.QUARANTINE for record in records):
        used_splits.append(splits.QUARANTINE)
    rows = [
        [
            source,
            label,
            *_count_images(
                [r for r in records if (r.label, r.source) == (label, source)], used_splits
            ),
        ]
        for label, source in sorted({(r.label, r.source) for r in records}, reverse=True)
    ]
    rows.append(["all", "", *_count_images(records, used_splits)])
    console.print_table(
        f"{settings.folder}: {n_new} new of {format_count(n_offered, 'image')} offered",
        ["source", "label", "found", "accepted", "rejected", "groups", *used_splits],
        rows,
    )
    for label, source in sorted({(r.label, r.source) for r in records if not r.accepted})[::-1]:
        reasons = Counter(
            r.rejection_kind
            for r in records
            if (r.label, r.source) == (label, source) and not r.accepted
        )
        counts = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        console.print_message(f"Rejected of {source} ({label}): {counts}.")
    console.print_message(
        f"The reason for every rejection is in {manifest.manifest_path(settings.folder)}."
    )
    note = recipes.read_recipe_note(settings.recipe)
    if note:
        console.print_message(note)


def _count_images(records: Sequence[FaceRecord], used_splits: Sequence[str]) -> list[int]:
    accepted = [record for record in records if record.accepted]
    return [
        len(records),
        len(accepted),
        len(records) - len(accepted),
        len({record.group for record in accepted}),
        *(sum(record.split == split for record in accepted) for split in used_splits),
    ]
