"""Choose the files of a detector to publish; texts are copied without paths of this machine."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detection.publish import path_redaction
from runtime import checked_json, console
from training.detectors import costs, saved_models
from training.detectors.card import CARD_FILE, Card
from training.detectors.detector_files import BASELINES_FOLDER, LEADERBOARD_FILE
from training.detectors.saved_models import KERAS_FILE, ONNX_FILE
from validation.explanations.explainer import (
    EXPLAINER_ARRAYS_FILE,
    EXPLAINER_FOLDER,
    EXPLAINER_JSON_FILE,
    read_explainer_json,
)
from validation.report.report_files import (
    METRICS_FILE,
    MODEL_CARD_FILE,
    PAGE_FILE,
    REPORT_FOLDER,
)
from validation.result_cache import RESULT_CACHE_FOLDER

PUBLISHED_METRICS_FILE = f"{REPORT_FOLDER}/{METRICS_FILE}"
REPORT_PAGE_FILE = f"{REPORT_FOLDER}/{PAGE_FILE}"

# Allowlists: a new key of metrics.json is not published until somebody adds it here.
PUBLISHED_METRICS_KEYS = (
    "model",
    "model_sha256",
    "banner",
    "evaluation_set",
    "summary",
    "calibration",
    "detectors",
    "breakdowns",
    "abstention",
    "reliability",
    "chance_ece",
    "robustness",
    "comparison",
    "explanations",
    "negative_controls",
    "audit",
    "limits",
    "training_data",
    "base",
    "canonicaliser",
    "bootstrap",
    "versions",
)
PUBLISHED_EVALUATION_SET_KEYS = (
    "name",
    "images",
    "groups",
    "hold_out_openings",
    "one_source_per_class",
    "hold_out_sha256",
)

EXCLUSION_REASONS = {
    REPORT_PAGE_FILE: "may show photographs of people; --with-report publishes it",
    BASELINES_FOLDER: "the detector does not need them",
    EXPLAINER_FOLDER: "names training images; python -m validation --no-pictures does not",
    RESULT_CACHE_FOLDER: "results for single images, for a second validation here",
}
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


@dataclass(frozen=True)
class PublishSource:
    """A detector to publish; `paths` are the paths outside this folder in its card and report."""

    folder: Path
    card: Card
    paths: frozenset[str]


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
        path_redaction.find_outside_paths(_read_json(folder, name))
        for name in (CARD_FILE, PUBLISHED_METRICS_FILE)
        if (folder / name).is_file()
    ]
    source = PublishSource(folder, card, frozenset().union(*outside))
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


def _names_training_images(folder: Path) -> bool:
    content = read_explainer_json(folder / EXPLAINER_FOLDER)
    return not content or content.get("training_images") != {}


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


def _read_json(folder: Path, name: str) -> dict[str, Any]:
    try:
        return dict(checked_json.parse_json((folder / name).read_bytes()))
    except (ValueError, TypeError):
        raise console.PlainError(
            f"{folder / name} is damaged. Run python -m validation again.", console.EXIT_BAD_MODEL
        ) from None


def _encode_redacted_json(content: object, source: PublishSource) -> bytes:
    return (
        json.dumps(path_redaction.redact_paths(content, source.paths), indent=1) + "\n"
    ).encode()


def _check_model_file(source: PublishSource, name: str) -> Path:
    return saved_models.verify_model_file(source.folder, source.card, name)


def _locate_file(source: PublishSource, name: str) -> Path:
    return source.folder / name


def _redact_card(source: PublishSource, name: str) -> bytes:
    return _encode_redacted_json(source.card.to_public((KERAS_FILE, ONNX_FILE)), source)


def _redact_metrics(source: PublishSource, name: str) -> bytes:
    content = _read_json(source.folder, name)
    reported, actual = content.get("model_sha256", {}), source.card.sha256
    if any(reported.get(file) != actual[file] for file in (KERAS_FILE, ONNX_FILE)):
        raise console.PlainError(
            f"{source.folder / name} belongs to another detector than {source.card.name}. "
            f"Run python -m validation --model {source.folder} again."
        )
    content = {key: content[key] for key in PUBLISHED_METRICS_KEYS if key in content}
    evaluation_set = content.get("evaluation_set", {})
    content["evaluation_set"] = {
        key: evaluation_set[key] for key in PUBLISHED_EVALUATION_SET_KEYS if key in evaluation_set
    }
    return _encode_redacted_json(content, source)


def _redact_text_file(source: PublishSource, name: str) -> bytes:
    return path_redaction.redact_paths(
        (source.folder / name).read_text("utf-8"), source.paths
    ).encode()


def _redact_page(source: PublishSource, name: str) -> bytes:
    # Base64 is full of slashes: what looks like a path there is part of an image.
    parts = re.split(r"(data:[^\"')\s]+)", (source.folder / name).read_text("utf-8"))
    return "".join(
        part if index % 2 else path_redaction.redact_paths(part, source.paths)
        for index, part in enumerate(parts)
    ).encode()


PUBLISHED_FILES: dict[str, tuple[Callable[[PublishSource, str], Path | bytes], str]] = {
    KERAS_FILE: (_check_model_file, "verified against the hash in the card"),
    ONNX_FILE: (_check_model_file, "verified against the hash in the card"),
    CARD_FILE: (_redact_card, "copy without folders of this machine and without baselines"),
    MODEL_CARD_FILE: (_redact_text_file, "copy without folders of this machine"),
    PUBLISHED_METRICS_FILE: (
        _redact_metrics,
        "copy of the figures, without file names and the command",
    ),
    REPORT_PAGE_FILE: (
        _redact_page,
        "copy, WITH PHOTOGRAPHS OF PEOPLE and their file names if it has any",
    ),
    costs.COST_FIGURE_FILE: (_locate_file, "unchanged"),
    LEADERBOARD_FILE: (_redact_text_file, "copy without folders of this machine"),
    f"{EXPLAINER_FOLDER}/{EXPLAINER_JSON_FILE}": (_locate_file, "heat maps alone"),
    f"{EXPLAINER_FOLDER}/{EXPLAINER_ARRAYS_FILE}": (_locate_file, "heat maps alone"),
    "LICENSE.md": (_locate_file, "unchanged"),
}
"""Files that may be published: how each is read, and the note of the table. Models and card are
always published, the page with --with-report, the rest if present."""
