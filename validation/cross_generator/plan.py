"""Plan the heads: which images train each one and which test it.

No test holds a group that the head or its threshold was trained on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from data_collection.dataset import manifest, splits
from data_collection.dataset.manifest import FaceRecord
from runtime import console

MIN_IMAGES_PER_SPLIT = {"train": 10, "validation": 1, "hold-out": 1}
"""A source with fewer images in any split is left out."""

NOTHING_LEFT_OUT = "nothing"
"""Name of the experiment that leaves no source out."""


@dataclass(frozen=True)
class ImageSource:
    """A source of images; a real and a generated source may have the same name."""

    label: str
    name: str


@dataclass(frozen=True)
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

    def list_sources(self, label: str) -> tuple[ImageSource, ...]:
        return tuple(source for source in self.sources if source.label == label)

    def rows(self, sources: Iterable[ImageSource], *parts: str) -> np.ndarray:
        """Return the rows of these sources' images in these splits."""
        wanted = [self.sources.index(source) for source in sources]
        return np.flatnonzero(np.isin(self.source, wanted) & np.isin(self.split, parts))


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
    """Rows of the images that test a head, and how many more shared a group with what it had
    met."""

    rows: np.ndarray
    left_out: int


def select_source_images(records: Sequence[FaceRecord]) -> SourceImages:
    """Select the images of every source that has enough of them; warn about the others.

    Raises:
        PlainError: fewer than two generated sources are left, or no real one.
    """
    kept = manifest.select_accepted(records, *splits.SPLITS)
    result = sorted(
        {(record.label, record.source) for record in kept},
        key=lambda key: (manifest.LABELS.index(key[0]), key),
    )
    sources = [
        source
        for source in (ImageSource(*key) for key in result)
        if _has_enough_images(source, kept)
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
    place = {source: number for number, source in enumerate(sources)}
    kept = [record for record in kept if ImageSource(record.label, record.source) in place]
    return SourceImages(
        sources,
        kept,
        np.array([place[ImageSource(record.label, record.source)] for record in kept]),
        np.array([record.split for record in kept]),
        np.unique([record.group for record in kept], return_inverse=True)[1],
        np.array([record.label == "generated" for record in kept], dtype=np.int64),
    )


def _has_enough_images(source: ImageSource, records: Iterable[FaceRecord]) -> bool:
    mine = [
        record.split
        for record in records
        if (record.label, record.source) == (source.label, source.name)
    ]
    short = [
        f"{mine.count(split)} in {split} (at least {fewest})"
        for split, fewest in MIN_IMAGES_PER_SPLIT.items()
        if mine.count(split) < fewest
    ]
    if short:
        console.print_warning(
            f"{source.name} ({source.label}) is left out; it has too few images: {', '.join(short)}."
        )
    return not short


def plan_one_generator_each(images: SourceImages) -> list[Experiment]:
    """Plan one head for each generated source, tested on all of them."""
    real, generated = images.list_sources("real"), images.list_sources("generated")
    columns = tuple((source,) for source in generated)
    return [Experiment(source.name, (*real, source), columns, real) for source in generated]


def plan_leave_one_source_out(images: SourceImages) -> list[Experiment]:
    """Plan heads that leave out: nothing; each generated source; and, where there are two real ones,
    each of them, and each pair of both classes."""
    real, generated = images.list_sources("real"), images.list_sources("generated")
    everything = Experiment(
        NOTHING_LEFT_OUT, (*real, *generated), tuple((source,) for source in generated), real
    )

    def without(*sources: ImageSource) -> Experiment:
        made = tuple(source for source in sources if source.label == "generated")
        taken = tuple(source for source in sources if source.label == "real")
        training_sources = tuple(source for source in images.sources if source not in sources)
        return Experiment(
            " and ".join(source.name for source in sources),
            training_sources,
            (made or generated,),
            taken or real,
        )

    alone = [everything, *(without(source) for source in generated)]
    if len(real) < 2:
        return alone
    return (
        alone
        + [without(one) for one in real]
        + [without(one, other) for one in generated for other in real]
    )


def select_evaluation_rows(
    images: SourceImages, source: ImageSource, training_sources: Sequence[ImageSource]
) -> EvaluationRows:
    """Select the images that may test a head.

    The hold-out of a source that it was trained on; of any other source every image whose group
    is not in its training or validation images."""
    if source in training_sources:
        return EvaluationRows(images.rows([source], "hold-out"), 0)
    rows = images.rows([source], *splits.SPLITS)
    met = np.isin(
        images.group[rows], images.group[images.rows(training_sources, "train", "validation")]
    )
    return EvaluationRows(rows[~met], int(met.sum()))
