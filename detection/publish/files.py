"""Choose the files of a detector to publish; texts are copied without paths of this machine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from detection.publish import path_redaction, redacted_copies
from runtime import console
from training.detectors import shared_base
from training.detectors.card import CARD_FILE, Card
from training.detectors.cost_figure import COST_FIGURE_FILE
from training.detectors.detector_files import BASELINES_FOLDER, LEADERBOARD_FILE
from training.detectors.saved_models import KERAS_FILE, ONNX_FILE
from training.detectors.shared_base import PARTS_SUFFIX
from validation.explanations.explainer import (
    EXPLAINER_ARRAYS_FILE,
    EXPLAINER_FOLDER,
    EXPLAINER_JSON_FILE,
    read_explainer_json,
)
from validation.report.report_files import (
    MODEL_CARD_FILE,
    PAGE_FILE,
    REPORT_FOLDER,
)
from validation.result_cache import RESULT_CACHE_FOLDER

REPORT_PAGE_FILE = f"{REPORT_FOLDER}/{PAGE_FILE}"

EXCLUSION_REASONS = {
    REPORT_PAGE_FILE: "may show photographs of people; --with-report publishes it",
    BASELINES_FOLDER: "the detector does not need them",
    EXPLAINER_FOLDER: "names training images; python -m validation --no-pictures does not",
    RESULT_CACHE_FOLDER: "results for single images, for a second validation here",
}
WITHOUT_BASE_NOTE = "verified; the weights of its base are fetched by their hash"

DEFAULT_EXCLUSION_REASON = "is not on the list of published files"


@dataclass(frozen=True)
class PublishedFile:
    """A file to publish.

    Attributes:
        name: path in the repository, and in the folder of the detector.
        content: the file itself, or the bytes of a redacted copy.
        note: how it was redacted.
    """

    name: str
    content: Path | bytes
    note: str

    @property
    def size(self) -> int:
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size


@dataclass(frozen=True)
class ExcludedFile:
    """A file or folder that is not published, its size in bytes, and the reason."""

    name: str
    size: int
    reason: str


def choose_published_files(folder: Path, card: Card, with_report: bool) -> list[PublishedFile]:
    """Return the files to publish, after comparing the hashes of both models with the card.

    Raises:
        PlainError: a model file is missing or was altered, there is no model card, or the report
            belongs to another detector.
    """
    if not (folder / MODEL_CARD_FILE).is_file():
        raise console.PlainError(
            f"{folder / MODEL_CARD_FILE} is missing, and a detector is not published without its "
            f"model card. Run python -m validation --model {folder} first."
        )
    outside = [
        path_redaction.find_outside_paths(redacted_copies.read_json(folder, name))
        for name in (CARD_FILE, redacted_copies.PUBLISHED_METRICS_FILE)
        if (folder / name).is_file()
    ]
    source = redacted_copies.PublishSource(folder, card, frozenset().union(*outside))
    existing = [
        name
        for name in PUBLISHED_FILES
        if name in (KERAS_FILE, ONNX_FILE) or (folder / name).is_file()
    ]
    return [
        PublishedFile(name, PUBLISHED_FILES[name][0](source, name), PUBLISHED_FILES[name][1])
        for name in existing
        if (with_report or name != REPORT_PAGE_FILE)
        and not (name.startswith(EXPLAINER_FOLDER) and _names_training_images(folder))
    ]


def leave_out_base(published: Sequence[PublishedFile], folder: Path) -> list[PublishedFile]:
    """Return the files with models as they are saved, without the weights of their base.

    Raises:
        PlainError: the base is part of the saved models.
    """
    if not shared_base.has_parts(folder / KERAS_FILE):
        raise console.PlainError(
            f"{folder.name} has its base in its own files; publish it without --without-base."
        )
    return [
        PublishedFile(f"{file.name}{PARTS_SUFFIX}", shared_base.name_parts(path), WITHOUT_BASE_NOTE)
        if file.name in (KERAS_FILE, ONNX_FILE) and shared_base.has_parts(path)
        else file
        for file in published
        for path in [folder / file.name]
    ]


def _names_training_images(folder: Path) -> bool:
    content = read_explainer_json(folder / EXPLAINER_FOLDER)
    return not content or content.get("training_images") != {}


def list_publishable_names() -> set[str]:
    """Return the names of all files that may be published."""
    return {*PUBLISHED_FILES, *(f"{name}{PARTS_SUFFIX}" for name in (KERAS_FILE, ONNX_FILE))}


def list_excluded_files(folder: Path, published: list[PublishedFile]) -> list[ExcludedFile]:
    """Return what is not published, one row per file or folder."""
    names = {file.name for file in published}
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and _get_relative_name(path, folder) not in names
    ]
    sizes: dict[str, int] = {}
    for path in files:
        name = _get_relative_name(path, folder)
        row = name if name in EXCLUSION_REASONS else path.relative_to(folder).parts[0]
        sizes[row] = sizes.get(row, 0) + path.stat().st_size
    return [
        ExcludedFile(row, size, EXCLUSION_REASONS.get(row, DEFAULT_EXCLUSION_REASON))
        for row, size in sizes.items()
    ]


def _get_relative_name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


PUBLISHED_FILES: dict[
    str, tuple[Callable[[redacted_copies.PublishSource, str], Path | bytes], str]
] = {
    KERAS_FILE: (redacted_copies.check_model_file, "verified against the hash in the card"),
    ONNX_FILE: (redacted_copies.check_model_file, "verified against the hash in the card"),
    CARD_FILE: (
        redacted_copies.redact_card,
        "copy without folders of this machine and without baselines",
    ),
    MODEL_CARD_FILE: (redacted_copies.redact_text_file, "copy without folders of this machine"),
    redacted_copies.PUBLISHED_METRICS_FILE: (
        redacted_copies.redact_metrics,
        "copy of the figures, without file names and the command",
    ),
    REPORT_PAGE_FILE: (
        redacted_copies.redact_page,
        "copy, WITH PHOTOGRAPHS OF PEOPLE and their file names if it has any",
    ),
    COST_FIGURE_FILE: (redacted_copies.locate_file, "unchanged"),
    LEADERBOARD_FILE: (redacted_copies.redact_text_file, "copy without folders of this machine"),
    f"{EXPLAINER_FOLDER}/{EXPLAINER_JSON_FILE}": (redacted_copies.locate_file, "heat maps alone"),
    f"{EXPLAINER_FOLDER}/{EXPLAINER_ARRAYS_FILE}": (redacted_copies.locate_file, "heat maps alone"),
    "LICENSE.md": (redacted_copies.locate_file, "unchanged"),
}
"""Files that may be published: how each is read, and the note of the table. Models and card are
always published, the page with --with-report, the rest if present."""
