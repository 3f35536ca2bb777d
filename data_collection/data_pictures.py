"""What both classes of a data set look like, as PNG: for audit.html and for TensorBoard.

Only train and validation are shown and measured; no file of the hold-out is opened.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data_collection import manifest
from data_collection.data_looks import LOOKED_AT, look_at
from data_collection.figures import Picture
from data_collection.figures_of_duplicates import near_duplicates
from data_collection.figures_of_faces import GRID, average_face, faces
from data_collection.figures_of_files import containers
from data_collection.figures_of_spectra import spectra
from data_collection.figures_of_traits import TRAITS, colours, distribution
from data_collection.manifest import LABELS, FaceRecord

MOST = 1000
"""Images that are measured, half of them real; the rest would move no curve by the width of its line."""


def pictures(folder: Path, records: Sequence[FaceRecord], seed: int = 0) -> list[Picture]:
    """Draws every figure that the data set has something to show for.

    Raises:
        PlainError: a file of train or validation is missing or was altered.
    """
    shown = manifest.accepted(records, *LOOKED_AT)
    drawn = {label: sample([r for r in shown if r.label == label], MOST // 2, seed) for label in LABELS}
    looks = {label: look_at(folder, drawn[label]) for label in LABELS if drawn[label]}
    if not looks:
        return []
    return [
        *(faces(folder, label, sample(drawn[label], GRID[0] * GRID[1], seed)) for label in looks),
        *(average_face(label, each) for label, each in looks.items()),
        *(distribution(name, looks) for name in TRAITS),
        colours(looks),
        *spectra(looks),
        *containers(shown),
        *near_duplicates(folder, shown),
    ]


def sample(records: Sequence[FaceRecord], count: int, seed: int) -> list[FaceRecord]:
    """At most `count` rows, drawn by `seed`, in the order of `records`."""
    if len(records) <= count:
        return list(records)
    return [records[index] for index in sorted(np.random.default_rng(seed).choice(len(records), count, replace=False))]
