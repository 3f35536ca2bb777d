"""ValidationSettings: which detector to judge. The docstrings are the `--help` texts."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ValidationSettings:
    """Judge a saved detector on the hold-out, which no other command opens; every opening is counted.

    The threshold and the temperature are the ones that training chose on the validation split.
    """

    model: Path | None = None
    """Folder or name of a saved detector; without it, the newest."""

    dataset: Path | None = None
    """Folder or name of the data set; without it, the one that the detector was trained on."""

    saved_models: Path = Path("saved_models")
    """Folder of all saved detectors."""

    logs: Path = Path("logs")
    """Folder for TensorBoard."""
