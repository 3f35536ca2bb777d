"""Measure many images on all cores, batch by batch, with a progress bar."""

import concurrent.futures
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from data_collection.dataset.manifest import FaceRecord
from runtime import console

AUDIT_BATCH_IMAGES = 32

Measured = TypeVar("Measured")


def map_in_batches(
    rows: Sequence[FaceRecord], function: Callable[[FaceRecord], Measured], description: str
) -> Iterator[Measured]:
    """Apply `function` on all cores, one batch at a time, so that memory holds numbers but not all
    pixels."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        batches = (
            rows[start : start + AUDIT_BATCH_IMAGES]
            for start in range(0, len(rows), AUDIT_BATCH_IMAGES)
        )
        results = (result for batch in batches for result in pool.map(function, batch))
        yield from console.track_progress(results, description, len(rows))
