"""Choose the images that a detector is validated on: the frozen hold-out, another data set, or a
folder of images."""

from dataclasses import replace
from pathlib import Path

from data_collection.dataset import manifest, splits
from runtime import console
from training import dataset as datasets
from training.detectors.card import Card
from validation.data import image_folder, overlap
from validation.data.evaluation_set import EvaluationSet
from validation.settings import ValidationSettings


def choose_evaluation_set(settings: ValidationSettings, card: Card) -> EvaluationSet:
    """The set that the settings ask for; an opening of a hold-out is counted.

    Raises:
        PlainError: it is not there, it was altered, it was trained on (exit code 5), or nothing in
            it can be judged.
    """
    home = find_training_dataset(settings, card)
    if settings.data is None:
        return load_hold_out(datasets.find_dataset_folder(home.parent, home), card)
    if manifest.manifest_path(settings.data).is_file():
        return load_other_dataset(settings.data, card, home, settings.drop_known)
    records, refused = image_folder.read_image_folder(settings.data, settings.label, card.crop)
    if not records:
        why = f" ({refused[0][0]}: {refused[0][1]})" if refused else ""
        raise console.PlainError(f"{settings.data} holds no image that can be judged{why}.")
    found = EvaluationSet(str(settings.data), settings.data, records, refused)
    return overlap.separate_from_training(found, card, home, settings.drop_known)


def find_training_dataset(settings: ValidationSettings, card: Card) -> Path:
    """Return the folder of the data set that the detector was trained on."""
    told = Path(card.dataset.folder)
    if settings.dataset is None:
        return told
    return (
        settings.dataset
        if manifest.manifest_path(settings.dataset).is_file()
        else told.parent / settings.dataset
    )


def load_hold_out(folder: Path, card: Card) -> EvaluationSet:
    records = manifest.read_manifest(folder)
    splits.check_splits(records, splits.read_splits(folder))
    if splits.compute_hold_out_sha256(records) != card.dataset.hold_out_sha256:
        raise console.PlainError(
            f"The hold-out of {folder} is not the one that {card.name} was kept away from; train again, then validate. "
            f"To judge {card.name} on all of {folder}, give --data {folder}.",
            console.EXIT_LEAK,
        )
    found = EvaluationSet(
        f"the hold-out of {folder}", folder, manifest.select_accepted(records, "hold-out")
    )
    return _record_hold_out_opening(overlap.separate_from_training(found, card, folder), card)


def _record_hold_out_opening(found: EvaluationSet, card: Card) -> EvaluationSet:
    splits.record_hold_out_opening(found.folder, card.name)
    openings = splits.read_splits(found.folder).hold_out_opened
    return replace(
        found, hold_out_openings=(len(openings), len({entry["model"] for entry in openings}))
    )


def load_other_dataset(folder: Path, card: Card, home: Path, drop: bool) -> EvaluationSet:
    """All accepted images of another data set; if its hold-out is among them, it is opened and that
    is counted.

    Raises:
        PlainError: it is the data set of the training.
    """
    records = manifest.read_manifest(folder)
    if manifest.compute_fingerprint(records) == card.dataset.fingerprint:
        raise console.PlainError(
            f"{card.name} was trained on {folder}; leave out --data to judge it on the hold-out.",
            console.EXIT_LEAK,
        )
    rows = sorted(
        (replace(r, crop=card.crop) for r in records if r.accepted), key=lambda record: record.id
    )
    found = overlap.separate_from_training(
        EvaluationSet(str(folder), folder, rows), card, home, drop
    )
    if any(record.split == "hold-out" for record in found.records):
        _record_hold_out_opening(found, card)
    return found
