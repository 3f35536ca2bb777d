"""Write results as plain JSON: no NaN, no dataclasses, numbers with six digits."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from runtime import atomic_files


def write_plain_json(path: Path, value: Any) -> None:
    atomic_files.write_atomically(
        path, (json.dumps(convert_to_plain(value), indent=1) + "\n").encode()
    )


def convert_to_plain(value: Any) -> Any:
    """Convert dataclasses to objects, numbers to six digits, NaN to null and paths to text."""
    if dataclasses.is_dataclass(value):
        return {
            field.name: convert_to_plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
    if isinstance(value, dict):
        return {str(key): convert_to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [convert_to_plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return round(float(value), 6) if np.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    return str(value) if isinstance(value, Path) else value
