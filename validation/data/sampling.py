"""Which images are taken where all would take too long."""

from collections.abc import Sequence

from data_collection.dataset import manifest
from data_collection.dataset.manifest import FaceRecord


def sample_records(records: Sequence[FaceRecord], most: int = 240) -> list[FaceRecord]:
    """At most `most` records, half of each class where it has as many, spread evenly over sources;
    the first by their hash."""
    ranked = {
        label: _order_round_robin([record for record in records if record.label == label])
        for label in manifest.LABELS
    }
    real, generated = map(len, ranked.values())
    take = min(real, max(most // 2, most - generated))
    return sorted(
        ranked["real"][:take] + ranked["generated"][: most - take], key=lambda record: record.id
    )


def _order_round_robin(records: Sequence[FaceRecord]) -> list[FaceRecord]:
    """The first of every source, then the second of every source, and so on."""
    seen: dict[str, int] = {}
    turns = []
    for record in sorted(records, key=lambda record: record.id):
        seen[record.source] = seen.get(record.source, 0) + 1
        turns.append((seen[record.source], record.source, record))
    return [record for _, _, record in sorted(turns, key=lambda turn: turn[:2])]
