"""Copy texts of a detector without paths of this machine, and only what may be published."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detection.publish import path_redaction
from runtime import checked_json, console
from training.detectors import saved_models
from training.detectors.card import Card
from training.detectors.saved_models import KERAS_FILE, ONNX_FILE
from validation.report.report_files import METRICS_FILE, REPORT_FOLDER

PUBLISHED_METRICS_FILE = f"{REPORT_FOLDER}/{METRICS_FILE}"

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
    "sharing",
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


@dataclass(frozen=True)
class PublishSource:
    """A detector to publish; `paths` are the paths outside this folder in its card and report."""

    folder: Path
    card: Card
    paths: frozenset[str]


def read_json(folder: Path, name: str) -> dict[str, Any]:
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


def check_model_file(source: PublishSource, name: str) -> Path:
    return saved_models.verify_model_file(source.folder, source.card, name)


def locate_file(source: PublishSource, name: str) -> Path:
    return source.folder / name


def redact_card(source: PublishSource, name: str) -> bytes:
    return _encode_redacted_json(source.card.to_public((KERAS_FILE, ONNX_FILE)), source)


def redact_metrics(source: PublishSource, name: str) -> bytes:
    content = read_json(source.folder, name)
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


def redact_text_file(source: PublishSource, name: str) -> bytes:
    return path_redaction.redact_paths(
        (source.folder / name).read_text("utf-8"), source.paths
    ).encode()


def redact_page(source: PublishSource, name: str) -> bytes:
    # Base64 is full of slashes: what looks like a path there is part of an image.
    parts = re.split(r"(data:[^\"')\s]+)", (source.folder / name).read_text("utf-8"))
    return "".join(
        part if index % 2 else path_redaction.redact_paths(part, source.paths)
        for index, part in enumerate(parts)
    ).encode()
