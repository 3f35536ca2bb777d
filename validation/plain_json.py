"""What was found, as JSON that every reader knows: no NaN, no dataclasses, numbers with six digits."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from data_collection import manifest


def write(path: Path, value: Any) -> None:
    manifest.write_whole(path, (json.dumps(plain(value), indent=1) + "\n").encode())


def plain(value: Any) -> Any:
    """Dataclasses as objects, numbers with six digits, NaN as null, whatever JSON does not know as its text."""
    if dataclasses.is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, (float, np.floating)):
        return round(float(value), 6) if np.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    return str(value) if isinstance(value, Path) else value
