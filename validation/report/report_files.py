"""Where a report lies, and how other rooms read its numbers, metrics.json."""

from pathlib import Path

from runtime import checked_json

REPORT_FOLDER = "report"
"""Folder beside a detector that holds its report on the hold-out."""

METRICS_FILE = "metrics.json"
PAGE_FILE = "index.html"

MODEL_CARD_FILE = "README.md"
"""File beside a detector: its model card for the Hugging Face Hub."""


def load_limits(folder: Path) -> list[str]:
    """Load what the detector in a folder must not be used for; empty without a report."""
    path = folder / REPORT_FOLDER / METRICS_FILE
    try:
        limits = checked_json.parse_json(path.read_bytes())["limits"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [str(limit) for limit in limits]
