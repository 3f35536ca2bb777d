"""DetectionSettings: what to look at, and with which detector. The docstrings are the `--help` texts."""

from dataclasses import dataclass
from pathlib import Path

import tyro


@dataclass(frozen=True)
class DetectionSettings:
    """Say of photographs whether they look generated.

    Exit code 0: all were judged. 1: some could not be, the table says why. 8: no detector, or an altered one.
    """

    paths: tyro.conf.Positional[tuple[Path, ...]]
    """Image files, and folders to look through."""

    model: Path | None = None
    """Folder or name of a saved detector; without it, the newest."""

    json: bool = False
    """Print one JSON array instead of a table."""

    saved_models: Path = Path("saved_models")
    """Folder of all saved detectors."""

    def __post_init__(self) -> None:
        if not self.paths:
            raise ValueError("Name an image or a folder: python -m detection photo.jpg")
