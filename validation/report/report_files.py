"""Where a report lies, and how other rooms read its numbers, metrics.json."""

import hashlib
from pathlib import Path
from typing import Any

from runtime import checked_json
from training.detectors.card import Card
from training.detectors.saved_models import ONNX_FILE

REPORT_FOLDER = "report"
"""Folder beside a detector that holds its report on the hold-out."""

METRICS_FILE = "metrics.json"
PAGE_FILE = "index.html"

MODEL_CARD_FILE = "README.md"
"""File beside a detector: its model card for the Hugging Face Hub."""


def make_short_name(folder: Path) -> str:
    """Return a folder's name and four digits of a hash of its path, against equal names."""
    path = folder.absolute()
    return f"{path.name}-{hashlib.sha256(str(path).encode()).hexdigest()[:4]}"


def load_limits(folder: Path) -> list[str]:
    """Load what the detector in a folder must not be used for; empty without a report."""
    limits = _load_metrics(folder).get("limits", [])
    return [str(limit) for limit in limits] if isinstance(limits, list) else []


def has_report(folder: Path, card: Card) -> bool:
    """Return whether the report beside a detector is there and about this model file."""
    hashes = _load_metrics(folder).get("model_sha256")
    return isinstance(hashes, dict) and hashes.get(ONNX_FILE) == card.sha256[ONNX_FILE]


def _load_metrics(folder: Path) -> dict[str, Any]:
    """Load metrics.json; empty if it is missing or damaged."""
    try:
        content = checked_json.parse_json((folder / REPORT_FOLDER / METRICS_FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
