"""Which images teach a head and which test it: no test holds a group that the head or its threshold
has met."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from data_collection.dataset import manifest, splits
from data_collection.dataset.manifest import FaceRecord
from runtime import console

MIN_IMAGES_PER_SPLIT = {"train": 10, "validation": 1, "hold-out": 1}
"""Images of a source in each split under which it is left out."""

NOTHING_LEFT_OUT = "nothing"
"""The name of the experiment that leaves no source out."""


@dataclass(frozen=True)
class ImageSource:
    """Where images come from; a real and a generated source may bear the same name."""

    label: str
    name: str


@dataclass(frozen=True)
class SourceImages:
    """The accepted images of the sources that take part, as arrays of shape (images,).

    Attributes:
        source: place of each image's source in `sources`.
        split: "train", "validation" or "hold-out"; images in quarantine are not among them.
        group: images with the same number stand or fall together.
        label: 1 for generated.
    """

    sources: list[ImageSource]
    records: list[FaceRecord]
    source: np.ndarray
    split: np.ndarray
    group: np.ndarray
    label: np.ndarray

    def of(self, label: str) -> tuple[ImageSource, ...]:
        return tuple(source for source in self.sources if source.label == label)

    def rows(self, sources: Iterable[ImageSource], *parts: str) -> np.ndarray:
        """Where the images of these sources in these splits are."""
        wanted = [self.sources.index(source) for source in sources]
        return np.flatnonzero(np.isin(self.source, wanted) & np.isin(self.split, parts))


@dataclass(frozen=True)
class Experiment:
    """One head.

    Attributes:
        name: what sets it apart: the generated source that it knows, or what it was kept away from.
        learns: sources whose train split teaches it and whose validation split sets its threshold.
        tests: generated sources, one tuple for each figure.
        against: real sources whose photographs an AUC ranks them against.
    """

    name: str
    learns: tuple[ImageSource, ...]
    tests: tuple[tuple[ImageSource, ...], ...]
    against: tuple[ImageSource, ...]


@dataclass(frozen=True)
class EvaluationRows:
    """Rows of the images that test a head, and how many more shared a group with what it had
    met."""

    rows: np.ndarray
    left_out: int


def select_source_images(records: Sequence[FaceRecord]) -> SourceImages:
    """The images of every source that has enough of them; names the others.

    Raises:
        PlainError: fewer than two generated sources are left, or no real one.
    """
    kept = manifest.select_accepted(records, *splits.SPLITS)
    found = sorted(
        {(record.label, record.source) for record in kept},
        key=lambda key: (manifest.LABELS.index(key[0]), key),
    )
    sources = [
        source
        for source in (ImageSource(*key) for key in found)
        if _has_enough_images(source, kept)
    ]
    if sum(source.label == "generated" for source in sources) < 2:
        raise console.PlainError(
            "A matrix needs two generated sources with enough images; collect another into the data set with --generated."
        )
    if all(source.label == "generated" for source in sources):
        raise console.PlainError(
            "A matrix needs photographs; collect a real source into the data set with --real."
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


def plan_one_generator_each(them: SourceImages) -> list[Experiment]:
    """One row for each generated source, one column for each."""
    real, generated = them.of("real"), them.of("generated")
    columns = tuple((source,) for source in generated)
    return [Experiment(source.name, (*real, source), columns, real) for source in generated]


def plan_leave_one_source_out(them: SourceImages) -> list[Experiment]:
    """None; each generated source; where there are two real ones, also each of them, and each pair
    of both classes."""
    real, generated = them.of("real"), them.of("generated")
    everything = Experiment(
        NOTHING_LEFT_OUT, (*real, *generated), tuple((source,) for source in generated), real
    )

    def without(*sources: ImageSource) -> Experiment:
        made = tuple(source for source in sources if source.label == "generated")
        taken = tuple(source for source in sources if source.label == "real")
        learns = tuple(source for source in them.sources if source not in sources)
        return Experiment(
            " and ".join(source.name for source in sources),
            learns,
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
    them: SourceImages, source: ImageSource, learns: Sequence[ImageSource]
) -> EvaluationRows:
    """Of a source that the head knows, the hold-out; of another, every image whose group it has not
    met."""
    if source in learns:
        return EvaluationRows(them.rows([source], "hold-out"), 0)
    rows = them.rows([source], *splits.SPLITS)
    met = np.isin(them.group[rows], them.group[them.rows(learns, "train", "validation")])
    return EvaluationRows(rows[~met], int(met.sum()))
