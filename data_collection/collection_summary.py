"""Print what a collection took in: one table row per source, and where the rejections are."""

from collections import Counter
from collections.abc import Sequence

from data_collection import recipes
from data_collection.dataset import manifest, splits
from data_collection.dataset.manifest import FaceRecord
from data_collection.settings import CollectionSettings
from runtime import console


def print_collection_summary(
    records: Sequence[FaceRecord], new: int, offered: int, settings: CollectionSettings
) -> None:
    """Prints, per source: found, accepted, rejected by reason, groups, split sizes."""
    reasons = [
        reason
        for reason, _ in Counter(r.rejection_kind for r in records if not r.accepted).most_common()
    ]
    sources = sorted({(record.label, record.source) for record in records}, reverse=True)
    parts = [*splits.SPLITS, splits.QUARANTINE]
    parts = [
        part for part in parts if part != splits.QUARANTINE or any(r.split == part for r in records)
    ]
    rows = []
    for label, source in [*sources, ("", "all")]:
        mine = [
            record
            for record in records
            if source == "all" and not label or (record.label, record.source) == (label, source)
        ]
        kept = [record for record in mine if record.accepted]
        refused = Counter(record.rejection_kind for record in mine if not record.accepted)
        cells = [
            len(mine),
            len(kept),
            *(refused[reason] for reason in reasons),
            len({record.group for record in kept}),
        ]
        rows.append(
            [
                source,
                label,
                *cells,
                *(sum(record.split == part for record in kept) for part in parts),
            ]
        )
    console.print_table(
        f"{settings.folder}: {new} new of {offered} images offered",
        ["source", "label", "found", "accepted", *reasons, "groups", *parts],
        rows,
    )
    console.print_message(
        f"Every refusal and its reason is a row of {manifest.manifest_path(settings.folder)}."
    )
    note = recipes.read_recipe_note(settings.recipe)
    if note:
        console.print_message(note)
