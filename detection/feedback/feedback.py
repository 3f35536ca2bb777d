"""Keep, list and remove pictures that were judged wrongly."""

from pathlib import Path

from data_collection.source_types import UnavailableImage
from detection import image_paths
from detection.feedback.keep import PictureRefused, keep_judged_picture
from detection.feedback.known_pictures import KnownPictures
from detection.feedback.settings import FeedbackSettings
from detection.image_paths import LocatedImage
from detection.models.answering import choose_detector
from detection.predictor import Detector
from runtime import console, hashing
from validation.regression_set.stored_pictures import (
    MIN_PREFIX_CHARACTERS,
    RegressionSet,
    StoredPicture,
    find_by_prefix,
)

EXIT_SOME_REFUSED = 1

TABLE_COLUMNS = ("SHA-256", "truth", "kind", "answer then", "detector", "kept", "name", "note")


def give_feedback(settings: FeedbackSettings) -> int:
    """Do what the settings say; return the exit code: 1 if a picture was not kept.

    Raises:
        PlainError: there is no detector or no picture, the set is damaged, or nothing is kept that
            was to be removed.
    """
    kept = RegressionSet(settings.folder)
    if settings.list:
        list_pictures(kept)
        return 0
    if settings.remove:
        remove_picture(kept, settings.remove)
        return 0
    return keep_pictures(kept, settings)


def keep_pictures(kept: RegressionSet, settings: FeedbackSettings) -> int:
    """Judge the pictures and keep them; return the exit code."""
    images = list(image_paths.find_images(settings.paths))
    if not images:
        raise console.PlainError(f"There are no images in {' '.join(settings.paths)}.")
    answering = choose_detector(settings.saved_models, settings.model)
    detector = Detector.load(answering.folder, settings.any_picture)
    answering.announce()
    known_pictures, n_refused = KnownPictures(settings.data), 0
    tracked = console.track_progress(images, "pictures", len(images)) if images[1:] else images
    for image in tracked:
        try:
            _keep_picture(kept, settings, detector, known_pictures, image)
        except PictureRefused as refusal:
            console.print_warning(f"{image.path} was not kept: {refusal}.")
            n_refused += 1
    if count := len(kept.read()):
        console.print_message(
            f"{kept.folder} holds {count:,} picture{'' if count == 1 else 's'}, on this computer "
            "only; python -m validation scores them in every report."
        )
    return EXIT_SOME_REFUSED if n_refused else 0


def _keep_picture(
    kept: RegressionSet,
    settings: FeedbackSettings,
    detector: Detector,
    known_pictures: KnownPictures,
    image: LocatedImage,
) -> None:
    data = _read_bytes(image)
    prepared = detector.decode_image(data, image.path)
    (detection,) = detector.detect_batch([prepared])
    picture = keep_judged_picture(kept, detector.card, detection, data, settings.opinion)
    if not picture.is_new:
        console.print_message(
            f"{image.path} is kept already as {picture.row.truth}, since "
            f"{picture.row.added[:10]}; nothing changed."
        )
        return
    console.print_message(_describe_kept(image.path, picture.row))
    square = prepared.face and prepared.face.square
    for match in known_pictures.describe_matches(detection.sha256, square, settings.truth):
        console.print_warning(f"{image.path} {match}")


def _read_bytes(image: LocatedImage) -> bytes:
    try:
        return image.read()
    except UnavailableImage as error:
        raise PictureRefused(str(error)) from None
    except OSError as error:
        raise PictureRefused(f"it cannot be read: {error.strerror}") from None


def _describe_kept(path: Path, row: StoredPicture) -> str:
    kind = f", {row.kind}" if row.kind else ""
    right = ", which is right" if row.was_right else ""
    return (
        f"{path} is kept as {row.truth}{kind} ({row.sha256[:12]}); {row.detector} answers "
        f"“{row.verdict}”, probability {row.probability:.3f}{right}."
    )


def list_pictures(kept: RegressionSet) -> None:
    """Print a table of the kept pictures, the oldest first."""
    rows = kept.read()
    if not rows:
        console.print_message(
            f"{kept.folder} holds no picture. Keep one that was judged wrongly: python -m "
            "detection feedback photo.jpg --truth real"
        )
        return
    console.print_table(f"Kept pictures ({len(rows):,})", TABLE_COLUMNS, map(_make_table_row, rows))


def _make_table_row(row: StoredPicture) -> list[str]:
    return [
        row.sha256[:12],
        row.truth,
        row.kind,
        f"{row.verdict} {row.probability:.3f}",
        row.detector,
        row.added[:10],
        row.name,
        row.note,
    ]


def remove_picture(kept: RegressionSet, named: str) -> None:
    """Delete the kept picture that a hash or a file names.

    Raises:
        PlainError: none or several are meant.
    """
    rows, path = kept.read(), Path(named)
    if path.is_file():
        named = hashing.hash_bytes(path.read_bytes())
    matches = find_by_prefix(rows, named)
    if len(matches) != 1:
        raise console.PlainError(
            f"{'Several' if matches else 'No'} kept pictures are called {path}; give a file, or "
            f"the beginning of a hash as python -m detection feedback --list shows it, of "
            f"{MIN_PREFIX_CHARACTERS} characters or more."
        )
    kept.remove(matches[0].sha256)
    console.print_message(
        f"{matches[0].sha256[:12]} ({matches[0].truth}) is removed; {len(rows) - 1:,} are left."
    )
