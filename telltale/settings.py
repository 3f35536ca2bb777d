"""Options of `telltale doctor`."""

from dataclasses import dataclass
from pathlib import Path

from runtime.commands import workspace


@dataclass(frozen=True)
class DoctorSettings:
    """Print what is installed, what is fetched, and what is free."""

    saved_models: Path = workspace.SAVED_MODELS_FOLDER
    """Folder with your detectors."""

    clear_cache: bool = False
    """Delete what Telltale has fetched and exported; it is fetched again when it is needed."""
