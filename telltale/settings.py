"""Options of `telltale doctor`."""

from dataclasses import dataclass
from pathlib import Path

from runtime.command_lines.option_groups import Basic, Folders
from runtime.commands import workspace


@dataclass(frozen=True)
class DoctorSettings:
    """Print what is installed, what is fetched, and what is free.

    Examples:
        telltale doctor
        telltale doctor --clear-cache
    """

    saved_models: Folders[Path] = workspace.SAVED_MODELS_FOLDER
    """Folder with your detectors."""

    clear_cache: Basic[bool] = False
    """Delete what Telltale has fetched and exported; it is fetched again when it is needed."""
