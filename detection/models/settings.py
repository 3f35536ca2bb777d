"""Settings of `python -m detection models`; the docstrings are the `--help` texts."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from runtime.command_lines.option_groups import Basic, Folders
from runtime.commands import workspace


@dataclass(frozen=True, kw_only=True)
class ModelsSettings:
    """List the saved detectors: how they did on sources left out of training, which one answers,
    and why.

    Without --model, the one that answers is the one chosen with `python -m detection models use
    NAME`; else the newest of yours that is validated and not of the sample; else telltale-faces,
    which comes with Telltale.

    Examples:
        python -m detection models
        python -m detection models use faces-1
    """

    saved_models: Folders[Path] = workspace.SAVED_MODELS_FOLDER
    """Folder of all saved detectors."""


@dataclass(frozen=True, kw_only=True)
class UseSettings:
    """Choose the saved detector that answers when no --model is given.

    Exit code 8: there is no such detector, or it is damaged.

    Examples:
        python -m detection models use faces-1
        python -m detection models use --none
    """

    name: tyro.conf.Positional[str] = ""
    """Name of the detector, as `python -m detection models` lists it."""

    none: Basic[bool] = False
    """Choose none: the newest validated detector of yours answers again."""

    saved_models: Folders[Path] = workspace.SAVED_MODELS_FOLDER
    """Folder of all saved detectors."""

    def __post_init__(self) -> None:
        if bool(self.name) == self.none:
            raise ValueError("Name one detector, or give --none.")
