"""Choose the sources that are left out, and the images that train and test without each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from data_collection.dataset import manifest, splits
from data_collection.dataset.manifest import LABELS, FaceRecord
from runtime import console
from training.dataset import Dataset
from validation.cross_generator.plan import ImageSource


@dataclass(frozen=True, kw_only=True)
class SourcePlan:
    """Images of a detector that is not trained on one source.

    Attributes:
        data: without every group that has an image of the source.
        unseen: the source's accepted images.
        hold_out: of the sources that it was trained on.
    """

    source: ImageSource
    data: Dataset
    unseen: list[FaceRecord]
    hold_out: list[FaceRecord]


def plan_sources(data: Dataset, names: Sequence[str]) -> list[SourcePlan]:
    """Plan a detector without each source, photographs first.

    A class of a single source has none to leave out. A source without which a split lacks a class
    is left out of the plan, with a warning.

    Args:
        names: of the sources to leave out; empty for all.

    Raises:
        PlainError: a name is no source, or nothing can be left out.
    """
    accepted = manifest.select_accepted(data.records, *splits.SPLITS)
    sources = {ImageSource(record.label, record.source) for record in accepted}
    unknown = sorted(set(names) - {source.name for source in sources})
    if unknown:
        known = ", ".join(sorted(source.name for source in sources))
        raise console.PlainError(f"{data.folder} has no source {unknown[0]}. Its sources: {known}.")
    plans = []
    for label in LABELS:
        names_of_class = sorted(source.name for source in sources if source.label == label)
        of_class = [ImageSource(label, name) for name in names_of_class]
        if len(of_class) > 1:
            plans += [
                _plan_source(data, accepted, source)
                for source in of_class
                if not names or source.name in names
            ]
    plans = [plan for plan in plans if plan is not None]
    if not plans:
        raise console.PlainError(
            f"No source of {data.folder} can be left out: a class needs two sources. Collect "
            "another with --real or --generated."
        )
    return plans


def _plan_source(
    data: Dataset, accepted: Sequence[FaceRecord], source: ImageSource
) -> SourcePlan | None:
    unseen = [record for record in accepted if ImageSource(record.label, record.source) == source]
    groups = {record.group for record in unseen}

    def keep(records: Sequence[FaceRecord]) -> list[FaceRecord]:
        return [record for record in records if record.group not in groups]

    reduced = replace(data, train=keep(data.train), validation=keep(data.validation))
    hold_out = keep([record for record in accepted if record.split == "hold-out"])
    for records in (reduced.train, reduced.validation, hold_out):
        if {record.label for record in records} != set(LABELS):
            console.print_warning(
                f"{source.name} is not left out: without it a split lacks a class."
            )
            return None
    return SourcePlan(source=source, data=reduced, unseen=unseen, hold_out=hold_out)
