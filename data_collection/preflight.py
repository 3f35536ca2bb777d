"""Check what every source needs, and show it as one table before anything starts."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from data_collection.dataset.manifest import FaceRecord
from data_collection.source_types import RequestedSource
from runtime import console


def check_requirements(
    asked: Sequence[RequestedSource], known: Sequence[FaceRecord], folder: Path
) -> None:
    """Show the table, unless every source is available or was collected before.

    Raises:
        PlainError: something is missing; nothing was started.
    """
    had = Counter((record.label, record.source) for record in known)
    waiting = [one for one in asked if not _is_complete(one, had)]
    needs = [(one.request.source, need) for one in waiting for need in one.row.needs(one.request)]
    if not needs:
        return
    rows = [
        [source, need.what, need.found, "" if need.there else need.instead]
        for source, need in needs
    ]
    console.print_table(f"What {folder} needs", ["source", "needs", "found", "without it"], rows)
    missing = [need.what for _, need in needs if not need.there]
    if missing:
        raise console.PlainError(
            f"Missing: {', '.join(dict.fromkeys(missing))}. Nothing was started; the last column "
            "of the table names what does "
            "without it."
        )


def _is_complete(one: RequestedSource, had: Counter) -> bool:
    """Return whether a source that asks for a number of images has given that many before."""
    count = one.request.argument.rpartition(":")[2].partition("@")[0]
    return count.isdigit() and len(count) < 10 and had[one.label, one.request.source] >= int(count)
