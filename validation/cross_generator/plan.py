"""Plan the heads: which images train each one and which test it.

No test holds a group that the head or its threshold was trained on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from data_collection.dataset import manifest, splits
from data_collection.dataset.manifest import FaceRecord, ImageClass, Split
from runtime import console

MIN_IMAGES_PER_SPLIT: dict[Split, int] = {"train": 10, "validation": 1, "hold-out": 1}
"""A source with fewer images in any split is left out."""

NOTHING_LEFT_OUT = "nothing"
"""Name of the experiment that leaves no source out."""


@dataclass(frozen=True)
class ImageSource:
    """A source of images; a real and a generated source may have the same name."""

    label: ImageClass
    name: str


@dataclass(frozen=True, kw_only=True)
class SourceImages:
    """The accepted images of the sources that take part, as arrays of shape (images,).

    Attributes:
        source: index of each image's source in `sources`.
        split: "train", "validation" or "hold-out"; images in quarantine are not among them.
        group: number of each image's group.
        label: 1 for generated.
    """

    sources: list[ImageSource]
    records: list[FaceRecord]
    source: np.ndarray
    split: np.ndarray
    group: np.ndarray
    label: np.ndarray

    def list_sources(self, label: ImageClass) -> tuple[ImageSource, ...]:
        return tuple(source for source in self.sources if source.label == label)

    def rows(self, sources: Iterable[ImageSource], *parts: Split) -> np.ndarray:
        """Return the rows of these sources' images in these splits."""
        indices = [self.sources.index(source) for source in sources]
        return np.flatnonzero(np.isin(self.source, indices) & np.isin(self.split, parts))


@dataclass(frozen=True)
class Experiment:
    """One head.

    Attributes:
        name: the generated source that it is trained on, or the sources that are left out.
        training_sources: their train split trains it, their validation split sets its threshold.
        test_sources: generated sources, one tuple for each figure.
        comparison_sources: real sources whose photographs the AUC compares with.
    """

    name: str
    training_sources: tuple[ImageSource, ...]
    test_sources: tuple[tuple[ImageSource, ...], ...]
    comparison_sources: tuple[ImageSource, ...]


@dataclass(frozen=True)
class EvaluationRows:
    """Rows of the images that test a head.

    Attributes:
        left_out: number of images left out because their group was in training.
    """

    rows: np.ndarray
    left_out: int


def select_source_images(records: Sequence[FaceRecord]) -> SourceImages:
    """Select the images of every source that has enough of them; warn about the others.

    Raises:
        PlainError: fewer than two generated sources are left, or no real one.
    """
    accepted = manifest.select_accepted(records, *splits.SPLITS)
    keys = sorted(
        {(record.label, record.source) for record in accepted},
        key=lambda key: (manifest.LABELS.index(key[0]), key),
    )
    sources = [
        source
        for source in (ImageSource(*key) for key in keys)
        if _has_enough_images(source, accepted)
    ]
    if sum(source.label == "generated" for source in sources) < 2:
        raise console.PlainError(
            "Cross-generator evaluation needs two generated sources with enough images; "
            "collect another into the data set with --generated."
        )
    if all(source.label == "generated" for source in sources):
        raise console.PlainError(
            "Cross-generator evaluation needs photographs; collect a real source into the "
            "data set with --real."
        )
    index = {source: number for number, source in enumerate(sources)}
    selected = [record for record in accepted if ImageSource(record.label, record.source) in index]
    return SourceImages(
        sources=sources,
        records=selected,
        source=np.array([index[ImageSource(row.label, row.source)] for row in selected]),
        split=np.array([record.split for record in selected]),
        group=np.unique([record.group for record in selected], return_inverse=True)[1],
        label=np.array([record.label == "generated" for record in selected], dtype=np.int64),
    )


def _has_enough_images(source: ImageSource, records: Iterable[FaceRecord]) -> bool:
    parts = [
        record.split
        for record in records
        if (record.label, record.source) == (source.label, source.name)
    ]
    shortages = [
        f"{parts.count(split)} in {split} (at least {min_images})"
        for split, min_images in MIN_IMAGES_PER_SPLIT.items()
        if parts.count(split) < min_images
    ]
    if shortages:
        console.print_warning(
            f"{source.name} ({source.label}) is left out; it has too few images: "
            f"{', '.join(shortages)}."
        )
    return not shortages


def plan_one_generator_each(images: SourceImages) -> list[Experiment]:
    """Plan one head for each generated source, tested on all of them."""
    real, generated = images.list_sources("real"), images.list_sources("generated")
    columns = tuple((source,) for source in generated)
    return [Experiment(source.name, (*real, source), columns, real) for source in generated]


def plan_leave_one_source_out(images: SourceImages) -> list[Experiment]:
    """Plan heads that leave out: nothing; each generated source; and, with two real sources, each
    of them, and each pair of a generated and a real one."""
    real, generated = images.list_sources("real"), images.list_sources("generated")
    everything = Experiment(
        NOTHING_LEFT_OUT, (*real, *generated), tuple((source,) for source in generated), real
    )

    def without(*sources: ImageSource) -> Experiment:
        left_out_generated = tuple(source for source in sources if source.label == "generated")
        left_out_real = tuple(source for source in sources if source.label == "real")
        training_sources = tuple(source for source in images.sources if source not in sources)
        return Experiment(
            " and ".join(source.name for source in sources),
            training_sources,
            (left_out_generated or generated,),
            left_out_real or real,
        )

    alone = [everything, *(without(source) for source in generated)]
    if len(real) < 2:
        return alone
    return (
        alone
        + [without(source) for source in real]
        + [without(first, second) for first in generated for second in real]
    )


def select_evaluation_rows(
    images: SourceImages, source: ImageSource, training_sources: Sequence[ImageSource]
) -> EvaluationRows:
    """Select the images of a source that may test a head.

    If the head was trained on the source, these are its hold-out; otherwise all images whose group
    is not among the head's training or validation images."""
    if source in training_sources:
        return EvaluationRows(images.rows([source], "hold-out"), 0)
    rows = images.rows([source], *splits.SPLITS)
    is_known_group = np.isin(
        images.group[rows], images.group[images.rows(training_sources, "train", "validation")]
    )
    return EvaluationRows(rows[~is_known_group], int(is_known_group.sum()))
