"""Settings of `python -m detection feedback`; the docstrings are the `--help` texts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_collection.dataset.manifest import ImageClass
from detection.feedback.opinion import Opinion
from runtime.command_lines.option_groups import Basic, Folders, Metavar, Output
from runtime.commands import workspace


@dataclass(frozen=True, kw_only=True)
class FeedbackSettings:
    """Keep pictures that were judged wrongly, with their true label, as a regression set: every
    report of `python -m validation` scores it.

    Copies are kept in the folder of data sets, under feedback. They stay on this computer: nothing
    is sent anywhere. The answer of the detector is written down with each. A picture that is kept
    already is not kept twice. Exit code 1: a picture was not kept; the line says why.

    Examples:
        python -m detection feedback photo.jpg --truth real --kind night
        python -m detection feedback --list
        python -m detection feedback --remove 3f9a1c
    """

    paths: Annotated[tuple[str, ...], tyro.conf.Positional, Metavar("PICTURE")] = ()
    """Image files, folders or patterns, all of one true label; one face in each."""

    truth: Basic[ImageClass | None] = None
    """True label of the pictures; a retouched photograph is real."""

    kind: Basic[str] = ""
    """Kind of picture, a word of your own: retouched, night, press, small, ... Reports count each \
kind."""

    note: Basic[str] = ""
    """Where the picture is from, or how its truth is known. Reports do not show it."""

    list: Output[bool] = False
    """Show the pictures that are kept."""

    remove: Basic[Annotated[str, Metavar("SHA_OR_PATH")]] = ""
    """Delete a kept picture: the beginning of its hash, of 6 characters or more, or a file with \
the same content."""

    any_picture: Basic[bool] = False
    """Keep images without a face, too: their centre square is judged."""

    model: Basic[Path | None] = None
    """Name or folder of the saved detector whose answer is written down; default: the one that \
`python -m detection models` says answers."""

    saved_models: Folders[Path] = workspace.SAVED_MODELS_FOLDER
    """Folder of all saved detectors."""

    data: Folders[Path] = workspace.DATA_FOLDER
    """Folder of all data sets, where the same picture is looked for; the kept pictures are in its \
folder feedback."""

    def __post_init__(self) -> None:
        tasks = [bool(self.paths), self.list, bool(self.remove)]
        if sum(tasks) != 1:
            raise ValueError(
                "Name a picture with its --truth, or give --list or --remove, one of these: python "
                "-m detection feedback photo.jpg --truth real"
            )
        if self.paths and not self.truth:
            raise ValueError("Say what the pictures are: --truth real or --truth generated.")
        if not self.paths and (self.truth or self.kind or self.note):
            raise ValueError("--truth, --kind and --note are about pictures. Name one.")
        if self.truth:
            self.opinion  # noqa: B018  (checks kind and note)

    @property
    def opinion(self) -> Opinion:
        """The true label, the kind and the note that were given.

        Raises:
            ValueError: the kind or the note cannot be taken.
        """
        return Opinion(self.truth, self.kind, self.note)

    @property
    def folder(self) -> Path:
        """Folder of the kept pictures."""
        return self.data / workspace.FEEDBACK_FOLDER.name
