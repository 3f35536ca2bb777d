"""Figures of near-duplicates: one strip per group."""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from data_collection.audit_report.image_statistics import AUDITED_SPLITS, THUMBNAIL_SIDE_PX
from data_collection.dataset import grouping, manifest, near_duplicates
from data_collection.dataset.manifest import FaceRecord, ImageClass
from data_collection.dataset.stored_images import read_canonical_image
from data_collection.images import encode
from runtime import plotting
from runtime.plotting import CLASS_COLOURS, ReportFigure


class _Fingerprints(NamedTuple):
    """Fields of a row by which near-duplicates are found."""

    phash: str
    phash_mirrored: str
    thumbnail: str


def find_near_duplicate_groups(records: Sequence[FaceRecord]) -> list[list[FaceRecord]]:
    """Return groups of near-duplicates in train and validation, the largest first."""
    audited = manifest.select_accepted(records, *AUDITED_SPLITS)
    if not audited:
        return []
    numbers = _number_groups(
        tuple(
            _Fingerprints(record.phash, record.phash_mirrored, record.thumbnail)
            for record in audited
        )
    )
    groups = [
        [audited[index] for index in np.flatnonzero(numbers == number)]
        for number in np.flatnonzero(np.bincount(numbers) > 1)
    ]
    return sorted(groups, key=len, reverse=True)


@functools.lru_cache(maxsize=1)  # both the strips and the page's table ask for the same images
def _number_groups(images: tuple[_Fingerprints, ...]) -> np.ndarray:
    """Return the number of every image's group of near-duplicates; shape (images,)."""
    return grouping.label_components(len(images), near_duplicates.find_near_duplicate_pairs(images))


def render_near_duplicates(
    folder: Path, records: Sequence[FaceRecord], max_groups: int = 6, max_members: int = 6
) -> Iterator[ReportFigure]:
    """Render one strip per group, for the largest groups; nothing if there are none."""
    groups = find_near_duplicate_groups(records)[:max_groups]
    if not groups:
        return
    rows = [
        [
            _mark_with_class_colour(read_canonical_image(folder, record), record.label)
            for record in group[:max_members]
        ]
        for group in groups
    ]
    caption = (
        f"Each row is a group of near-duplicates ({near_duplicates.DEFINITION}), at most "
        f"{max_members} of each. The bar beneath is blue for real, orange for generated. Rows of "
        "different images are false alarms, and cost nothing: a group only stays together in one "
        "split."
    )
    yield ReportFigure(
        "near-duplicates",
        "Near-duplicates",
        caption,
        encode.encode_png(plotting.compose_image_grid(rows, THUMBNAIL_SIDE_PX)),
    )


def _mark_with_class_colour(image: Image.Image, label: ImageClass) -> Image.Image:
    marked = image.resize((THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX), Image.Resampling.LANCZOS)
    marked.paste(
        CLASS_COLOURS[label], (0, THUMBNAIL_SIDE_PX - 6, THUMBNAIL_SIDE_PX, THUMBNAIL_SIDE_PX)
    )
    return marked
