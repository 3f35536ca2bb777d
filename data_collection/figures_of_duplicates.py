"""Figures of near-duplicates: one strip per group."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from data_collection import duplicates, figures, manifest
from data_collection.data_looks import FACE_SIDE, LOOKED_AT, canonical
from data_collection.figures import COLOURS, Picture
from data_collection.manifest import FaceRecord


def near_groups(records: Sequence[FaceRecord]) -> list[list[FaceRecord]]:
    """Train's and validation's groups of near-duplicates by perceptual hash, largest first."""
    hashed = [record for record in manifest.accepted(records, *LOOKED_AT) if record.phash and record.phash_mirrored]
    if not hashed:
        return []
    numbers = duplicates.components(len(hashed), duplicates.near_pairs(hashed))
    groups = [
        [hashed[index] for index in np.flatnonzero(numbers == number)] for number in np.flatnonzero(np.bincount(numbers) > 1)
    ]
    return sorted(groups, key=len, reverse=True)


def near_duplicates(folder: Path, records: Sequence[FaceRecord], groups: int = 6, members: int = 6) -> Iterator[Picture]:
    """One strip per group, for a few groups; none if the data set has no near-duplicates."""
    shown = [group[:members] for group in near_groups(records)[:groups]]
    if shown:
        rows = [[_marked(canonical(folder, record), record.label) for record in group] for group in shown]
        caption = (
            f"Each row is a group of near-duplicates (perceptual hashes at most {duplicates.NEAR} of 64 bits apart, mirrored "
            f"or not), at most {members} of each. The bar beneath is blue for real, orange for generated. Rows of different "
            "pictures are false alarms, and cost nothing: a group only stays together in one split."
        )
        yield Picture("near-duplicates", "Near-duplicates", caption, figures.png(figures.mosaic(rows, FACE_SIDE)))


def _marked(image: Image.Image, label: str) -> Image.Image:
    marked = image.resize((FACE_SIDE, FACE_SIDE), Image.Resampling.LANCZOS)
    marked.paste(COLOURS[label], (0, FACE_SIDE - 6, FACE_SIDE, FACE_SIDE))
    return marked
