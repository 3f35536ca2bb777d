"""What a detector is judged on: the frozen hold-out, another data set, or any folder of pictures."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from data_collection import console, manifest, splits
from data_collection.manifest import FaceRecord
from training import dataset as datasets
from training.saved_models import Card
from validation import overlap, picture_folder
from validation.overlap import Overlap
from validation.settings import ValidationSettings


@dataclass(frozen=True)
class EvaluationSet:
    """Images with known labels.

    Attributes:
        name: for people: "the hold-out of data/faces".
        folder: what the records' `original` paths start from.
        refused: file and reason of every image that could not be judged.
        overlap: what it shares with the training; None if that is not known.
        unchecked: why it is not known; empty if it is.
        opened: how often the hold-out was opened, this time included, and under how many names; None if it is none.
    """

    name: str
    folder: Path
    records: list[FaceRecord]
    refused: list[tuple[str, str]] = field(default_factory=list)
    overlap: Overlap | None = None
    unchecked: str = ""
    opened: tuple[int, int] | None = None

    @property
    def one_source_each(self) -> bool:
        """Whether every label has but one source, so that nobody can tell a generator from a source."""
        labels = {record.label for record in self.records}
        return len(labels) == len({(record.label, record.source) for record in self.records})


def choose(settings: ValidationSettings, card: Card) -> EvaluationSet:
    """The set that the settings ask for; an opening of a hold-out is counted.

    Raises:
        PlainError: it is not there, it was altered, it was trained on (exit code 5), or nothing in it can be judged.
    """
    home = trained_on(settings, card)
    if settings.data is None:
        return hold_out(datasets.find(home.parent, home), card)
    if manifest.manifest_path(settings.data).is_file():
        return of_dataset(settings.data, card, home, settings.drop_known)
    records, refused = picture_folder.read(settings.data, settings.label, card.crop)
    if not records:
        why = f" ({refused[0][0]}: {refused[0][1]})" if refused else ""
        raise console.PlainError(f"{settings.data} holds no image that can be judged{why}.")
    found = EvaluationSet(str(settings.data), settings.data, records, refused)
    return overlap.kept_apart(found, card, home, settings.drop_known)


def trained_on(settings: ValidationSettings, card: Card) -> Path:
    """Where the data set of the training lies."""
    told = Path(card.dataset["folder"])
    if settings.dataset is None:
        return told
    return settings.dataset if manifest.manifest_path(settings.dataset).is_file() else told.parent / settings.dataset


def hold_out(folder: Path, card: Card) -> EvaluationSet:
    records = manifest.read(folder)
    splits.check(records, splits.read(folder))
    if splits.hold_out_sha256(records) != card.dataset["hold_out_sha256"]:
        raise console.PlainError(
            f"The hold-out of {folder} is not the one that {card.name} was kept away from; train again, then validate. "
            f"To judge {card.name} on all of {folder}, give --data {folder}.",
            console.LEAK,
        )
    found = EvaluationSet(f"the hold-out of {folder}", folder, manifest.accepted(records, "hold-out"))
    return _opened(overlap.kept_apart(found, card, folder), card)


def _opened(found: EvaluationSet, card: Card) -> EvaluationSet:
    splits.record_opening(found.folder, card.name)
    openings = splits.read(found.folder).hold_out_opened
    return replace(found, opened=(len(openings), len({entry["model"] for entry in openings})))


def of_dataset(folder: Path, card: Card, home: Path, drop: bool) -> EvaluationSet:
    """All accepted images of another data set; if its hold-out is among them, it is opened and that is counted.

    Raises:
        PlainError: it is the data set of the training.
    """
    records = manifest.read(folder)
    if manifest.fingerprint(records) == card.dataset["fingerprint"]:
        raise console.PlainError(
            f"{card.name} was trained on {folder}; leave out --data to judge it on the hold-out.", console.LEAK
        )
    rows = sorted((replace(r, crop=card.crop) for r in records if r.accepted), key=lambda record: record.id)
    found = overlap.kept_apart(EvaluationSet(str(folder), folder, rows), card, home, drop)
    if any(record.split == "hold-out" for record in found.records):
        _opened(found, card)
    return found
