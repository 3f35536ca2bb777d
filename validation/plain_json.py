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
    """Dataclasses as objects, numbers with six digits, NaN as null, whatever JSON does not know as
    its text."""
    if dataclasses.is_dataclass(value):
        return {
            each.name: convert_to_plain(getattr(value, each.name))
            for each in dataclasses.fields(value)
        }
    if isinstance(value, dict):
        return {str(key): convert_to_plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [convert_to_plain(each) for each in value]
    if isinstance(value, (float, np.floating)):
        return round(float(value), 6) if np.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    return str(value) if isinstance(value, Path) else value
