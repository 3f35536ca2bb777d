"""Settings of `python -m detection calibrate`; the docstrings are the `--help` texts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from runtime import options
from runtime.command_lines.option_groups import Basic, Folders, Metavar
from runtime.commands import workspace

FOLDER_PREFIX = "folder:"


@dataclass(frozen=True, kw_only=True)
class CalibrateSettings:
    """Set the false-alarm cut of a detector with photographs of your own, for images like them.

    Near-duplicates count once. Photographs that the detector was trained on, or whose metadata
    names a generator, are not used. The cuts are saved beside the detector and used only by
    --calibration of detection, its page and its Python class. Exit code 0: saved. 1: saved, but
    some files were not used; the command says why. 2: too few photographs. 5: too few because the
    others were used for training. 8: the detector is missing or was altered.

    Examples:
        python -m detection calibrate --real folder:mine
        python -m detection calibrate --real folder:mine --name my-camera
    """

    real: Basic[Annotated[str, Metavar("SOURCE")]]
    """Folder of photographs, such as folder:mine: 19 for a cut at 5%, 99 for 1%; near-duplicates \
count once."""

    name: Basic[str] = ""
    """Name of the calibration; default: that of the folder."""

    model: Basic[Path | None] = None
    """Name or folder of a saved detector, or of a data set for the newest detector trained on it; \
default: the one that `python -m detection models` says answers."""

    any_picture: Basic[bool] = False
    """Use images without a face, too; they are not judged otherwise. Images of several faces are \
never used: a cut is set by single ones."""

    saved_models: Folders[Path] = workspace.SAVED_MODELS_FOLDER
    """Folder of all saved detectors."""

    @property
    def folder(self) -> Path:
        """Folder of the photographs."""
        return Path(self.real.removeprefix(FOLDER_PREFIX))

    @property
    def calibration_name(self) -> str:
        """Name of the calibration, from --name or the folder."""
        return self.name or self.folder.resolve().name

    def __post_init__(self) -> None:
        if not self.real.removeprefix(FOLDER_PREFIX):
            raise ValueError("--real lacks a path; give a folder, such as folder:mine.")
        if not self.calibration_name:
            raise ValueError("The folder has no name; give the calibration one with --name.")
        options.check_plain_name("name", self.calibration_name, "mine")
