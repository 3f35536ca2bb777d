"""metrics.json, the numbers of a report: where it lies, and how other rooms read it."""

from pathlib import Path

from runtime import checked_json

REPORT_FOLDER = "report"
"""Folder beside a detector that holds its report on the hold-out."""

METRICS_FILE = "metrics.json"


def load_limits(folder: Path) -> list[str]:
    """Load what the detector in a folder must not be used for; empty without a report."""
    path = folder / REPORT_FOLDER / METRICS_FILE
    try:
        limits = checked_json.parse_json(path.read_bytes())["limits"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [str(limit) for limit in limits]
