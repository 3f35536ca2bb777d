"""Choose the images of a validation: the hold-out, another data set, or a folder of images."""

from dataclasses import replace
from pathlib import Path

from data_collection.dataset import manifest, splits
from data_collection.stored_datasets import corrections, location
from runtime import console
from runtime.commands import workspace
from runtime.terminal.counting import format_count
from training.detectors.card import Card
from validation.data import image_folder, overlap
from validation.data.evaluation_set import EvaluationSet
from validation.settings import ValidationSettings


def choose_evaluation_set(settings: ValidationSettings, card: Card) -> EvaluationSet:
    """Load the images that the settings name; count the opening if it is a hold-out.

    Raises:
        PlainError: they are missing, were altered, were used for training (exit code 5), or none
            can be scored.
    """
    training_folder = find_training_dataset(settings, card)
    if settings.data is None:
        if settings.dataset is None and not manifest.manifest_path(training_folder).is_file():
            raise console.PlainError(
                f"{training_folder}, which {card.name} was trained on, is not here. Name it with "
                "--dataset, or test on other images with --data."
            )
        return load_hold_out(
            location.find_dataset_folder(training_folder.parent, training_folder), card
        )
    # A folder of images that is there comes before a data set of its name.
    folder = settings.data if settings.data.exists() else workspace.DATA_FOLDER / settings.data
    if manifest.manifest_path(folder).is_file():
        return load_other_dataset(folder, card, training_folder, settings.drop_known)
    records, rejected = image_folder.read_image_folder(settings.data, settings.label, card.crop)
    if not records:
        example = f" ({rejected[0][0]}: {rejected[0][1]})" if rejected else ""
        raise console.PlainError(f"{settings.data} holds no usable image{example}.")
    data = EvaluationSet(
        name=str(settings.data), folder=settings.data, records=records, rejected=rejected
    )
    return overlap.separate_from_training(data, card, training_folder, settings.drop_known)


def find_training_dataset(settings: ValidationSettings, card: Card) -> Path:
    """Return the folder of the data set that the detector was trained on."""
    original_folder = Path(card.dataset.folder)
    if settings.dataset is None:
        return original_folder
    beside = original_folder.parent / settings.dataset
    if manifest.manifest_path(beside).is_file():
        return beside
    return location.find_dataset_folder(workspace.DATA_FOLDER, settings.dataset)


def load_hold_out(folder: Path, card: Card) -> EvaluationSet:
    records = manifest.read_manifest(folder)
    splits.check_splits(records, splits.read_splits(folder))
    trained_without = card.dataset.hold_out_sha256
    corrected_since = splits.compute_hold_out_sha256(records) != trained_without
    if corrected_since and not corrections.had_hold_out(folder, records, trained_without):
        raise console.PlainError(
            f"The hold-out of {folder} is not the one that {card.name} was trained without. Train "
            f"again, then validate, or give --data {folder} to validate on all of its images.",
            console.EXIT_LEAK,
        )
    data = EvaluationSet(
        name=f"the hold-out of {folder}",
        folder=folder,
        records=manifest.select_accepted(records, "hold-out"),
        corrections=corrections.find_hold_out_corrections(folder),
        corrected_since_training=corrected_since,
    )
    return _record_hold_out_opening(_leave_out_copies(data, card), card.name)


def _leave_out_copies(hold_out: EvaluationSet, card: Card) -> EvaluationSet:
    """Leave out near-duplicates of training images. A data set that was split before cropped copies
    were looked for may hold some, and its splits are frozen."""
    rest = overlap.separate_from_training(hold_out, card, hold_out.folder, drop_overlap=True)
    if rest.overlap and rest.overlap.dropped:
        file, training_file = rest.overlap.pairs[0]
        console.print_warning(
            f"Left out of {hold_out.name}, as copies of images of the training: "
            f"{format_count(rest.overlap.dropped, 'image')} ({file} is nearly {training_file}). "
            "Collect under another --dataset name to split copies together."
        )
    return rest


def record_outside_opening(data: EvaluationSet, name: str) -> EvaluationSet:
    """Record that hold-out images among these are scored by an outside detector, too."""
    if not any(record.split == "hold-out" for record in data.records):
        return data
    recorded = _record_hold_out_opening(data, name)
    return recorded if data.hold_out_openings else data


def _record_hold_out_opening(data: EvaluationSet, name: str) -> EvaluationSet:
    """Record the opening for the detector of this name."""
    splits.record_hold_out_opening(data.folder, name)
    openings = splits.read_splits(data.folder).hold_out_opened
    names = {entry["model"] for entry in openings}
    return replace(data, hold_out_openings=(len(openings), len(names)))


def load_other_dataset(
    folder: Path, card: Card, training_folder: Path, drop_overlap: bool
) -> EvaluationSet:
    """Load all accepted images of another data set; count the opening of its hold-out.

    Raises:
        PlainError: it is the data set that the detector was trained on, or empty.
    """
    records = manifest.read_manifest(folder)
    if manifest.compute_fingerprint(records) == card.dataset.fingerprint:
        raise console.PlainError(
            f"{card.name} was trained on {folder}. Leave out --data to use its hold-out.",
            console.EXIT_LEAK,
        )
    accepted = sorted(
        (replace(record, crop=card.crop) for record in records if record.accepted),
        key=lambda record: record.id,
    )
    if not accepted:
        raise console.PlainError(
            f"{folder} holds no accepted image. Run python -m data_collection to the end, or give "
            "another data set or a folder of images."
        )
    data = overlap.separate_from_training(
        EvaluationSet(
            name=str(folder),
            folder=folder,
            records=accepted,
            corrections=corrections.find_hold_out_corrections(folder),
        ),
        card,
        training_folder,
        drop_overlap,
    )
    if any(record.split == "hold-out" for record in data.records):
        _record_hold_out_opening(data, card.name)
    return data
