"""A saved detector's probability for every face of a split."""

import concurrent.futures
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from data_collection import console
from data_collection.manifest import FaceRecord
from training import feature_cache


def predict(
    folder: Path, records: Sequence[FaceRecord], runs: Sequence[Callable[[np.ndarray], np.ndarray]], image_size: int
) -> list[np.ndarray]:
    """Probabilities of *generated* for view 0 of the records, one array (images,) for each detector in `runs`."""
    batches = [records[start : start + feature_cache.BATCH] for start in range(0, len(records), feature_cache.BATCH)]
    found: list[list[np.ndarray]] = [[] for _ in runs]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for batch in console.progress(batches, "judging the hold-out", len(batches)):
            pixels = np.stack(list(pool.map(lambda record: feature_cache.canonical(folder, record, image_size, 0), batch)))
            for each, run in zip(found, runs, strict=True):
                each.append(run(pixels))
    return [np.concatenate(each) for each in found]
