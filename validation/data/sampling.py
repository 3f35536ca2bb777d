"""Sample images where all of them would take too long."""

from collections.abc import Sequence

from data_collection.dataset import manifest
from data_collection.dataset.manifest import FaceRecord


def sample_records(records: Sequence[FaceRecord], max_records: int = 240) -> list[FaceRecord]:
    """Return at most `max_records` records, half of each class if possible, evenly over sources;
    those with the lowest hashes."""
    ranked = {
        label: _order_round_robin([record for record in records if record.label == label])
        for label in manifest.LABELS
    }
    real, generated = map(len, ranked.values())
    n_real = min(real, max(max_records // 2, max_records - generated))
    return sorted(
        ranked["real"][:n_real] + ranked["generated"][: max_records - n_real],
        key=lambda record: record.id,
    )


def _order_round_robin(records: Sequence[FaceRecord]) -> list[FaceRecord]:
    """Return the first record of every source, then the second of every source, and so on."""
    counts: dict[str, int] = {}
    ranked = []
    for record in sorted(records, key=lambda record: record.id):
        counts[record.source] = counts.get(record.source, 0) + 1
        ranked.append((counts[record.source], record.source, record))
    return [record for _, _, record in sorted(ranked, key=lambda row: row[:2])]
