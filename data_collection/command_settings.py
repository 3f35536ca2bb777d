"""Settings of `python -m data_collection audit, verify, correct, upload` and others.

The docstrings are the `--help` texts.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_collection.dataset.manifest import ImageClass
from runtime import options
from runtime.command_lines.option_groups import Advanced, Basic, Folders
from runtime.commands import workspace

DEFAULT_TRAINING_SIZES = (224,)
"""Input sizes in pixels that training uses by default; the audit measures images of the same."""


@dataclass(frozen=True)
class AuditSettings:
    """Audit a data set again: does anything but the face give the label away? Exit code 4 if
    something does (RED).

    Examples:
        python -m data_collection audit data/faces
        python -m data_collection audit data/faces --sizes 224 448
    """

    dataset: Annotated[Path, tyro.conf.Positional]
    """Folder or name of the data set, such as data/faces."""

    sizes: Basic[tuple[int, ...]] = DEFAULT_TRAINING_SIZES
    """Sides in pixels of the images that training will see; the largest of its --sizes counts. \
Training audits further sizes by itself."""

    data: Folders[Path] = workspace.DATA_FOLDER
    """Folder of all data sets."""

    logs: Folders[Path] = workspace.LOGS_FOLDER
    """Folder of TensorBoard logs."""

    seed: Advanced[int] = 0
    """Random seed of the cross-validation and the bootstrap."""

    def __post_init__(self) -> None:
        for size in self.sizes:
            if not 32 <= size <= 2048:
                raise ValueError(f"--sizes has {size}; give sides from 32 to 2048 pixels.")
        options.check_ranges(self, seed=(0, 2**31 - 1))


@dataclass(frozen=True)
class VerifySettings:
    """Check that no file of a data set has changed since it was collected, and list those that
    have. Exit code 6 if there are any.

    Examples:
        python -m data_collection verify data/faces
    """

    dataset: Annotated[Path, tyro.conf.Positional]
    """Folder or name of the data set, such as data/faces."""

    data: Folders[Path] = workspace.DATA_FOLDER
    """Folder of all data sets."""


@dataclass(frozen=True)
class UploadSettings:
    """Copy a data set, with the features of frozen bases, to an object store. Files that are
    already there are not copied again.

    Examples:
        python -m data_collection upload data/faces s3://bucket/faces
    """

    dataset: Annotated[Path, tyro.conf.Positional]
    """Folder or name of the data set, such as data/faces."""

    url: Annotated[str, tyro.conf.Positional]
    """Destination, such as s3://bucket/faces (`pip install -r requirements-s3.txt`)."""

    data: Folders[Path] = workspace.DATA_FOLDER
    """Folder of all data sets."""


@dataclass(frozen=True)
class DownloadSettings:
    """Copy a data set from an object store. Files that are already here are not copied again.

    Examples:
        python -m data_collection download s3://bucket/faces data/faces
    """

    url: Annotated[str, tyro.conf.Positional]
    """Origin, such as s3://bucket/faces (`pip install -r requirements-s3.txt`)."""

    dataset: Annotated[str, tyro.conf.Positional]
    """Folder or name of the data set, such as data/faces."""

    data: Folders[Path] = workspace.DATA_FOLDER
    """Folder of all data sets."""

    @property
    def folder(self) -> Path:
        """Folder to copy into: the path, or for a name one in the folder of all data sets."""
        path = Path(self.dataset)
        return path if "/" in self.dataset or path.exists() else self.data / path


@dataclass(frozen=True)
class RegenerateSettings:
    """Generate one image again, alone, from its row in the manifest.

    Examples:
        python -m data_collection regenerate data/faces 3f9a1c --out again.png
    """

    dataset: Annotated[Path, tyro.conf.Positional]
    """Folder or name of the data set, such as data/faces."""

    file: Annotated[str, tyro.conf.Positional]
    """The image's `file` in manifest.jsonl, or the beginning of its `id`."""

    out: Basic[Path] = Path("regenerated.png")
    """Path of the new image."""

    data: Folders[Path] = workspace.DATA_FOLDER
    """Folder of all data sets."""


@dataclass(frozen=True)
class RemoveSettings:
    """Remove a source from a data set: its rows, then its files. Nothing is asked. The splits of
    the other sources stay, and so does the count of how often the hold-out was opened.

    Examples:
        python -m data_collection remove data/faces sd-turbo
    """

    dataset: Annotated[Path, tyro.conf.Positional]
    """Folder or name of the data set, such as data/faces."""

    source: Annotated[str, tyro.conf.Positional]
    """Name of the source, as in the table of the collection."""

    data: Folders[Path] = workspace.DATA_FOLDER
    """Folder of all data sets."""


@dataclass(frozen=True)
class CorrectSettings:
    """Drop or relabel one image of a data set, or undo that. No file is deleted, the history is
    kept in corrections.jsonl, and collections do not take the image back. Splits stay.

    An image of the hold-out is changed only with --change-hold-out, and every later report says so.
    Detectors that were trained before can still be validated.

    Examples:
        python -m data_collection correct faces 3f9a --drop --because painting
        python -m data_collection correct faces 3f9a --label real --because edited
        python -m data_collection correct faces --history
    """

    dataset: Annotated[Path, tyro.conf.Positional]
    """Folder or name of the data set, such as data/faces."""

    image: Annotated[str, tyro.conf.Positional] = ""
    """The image's `file` in manifest.jsonl, SOURCE/FILE, or the beginning of its `id`."""

    drop: Basic[bool] = False
    """Take the image out of the data set."""

    label: Basic[ImageClass | None] = None
    """Give the image this label."""

    source: Basic[str] = ""
    """Source of its new class that a relabelled image joins; default: the one of the same name."""

    undo: Basic[bool] = False
    """Make the image again what it was when it was collected."""

    because: Basic[str] = ""
    """The reason, for the history and the reports."""

    with_copies: Basic[bool] = False
    """Do the same with the near-duplicates that have its label."""

    change_hold_out: Basic[bool] = False
    """Change an image of the hold-out; every later report says so."""

    history: Basic[bool] = False
    """Print all corrections of the data set."""

    data: Folders[Path] = workspace.DATA_FOLDER
    """Folder of all data sets."""

    def __post_init__(self) -> None:
        changes = [self.drop, bool(self.label), self.undo]
        if self.history:
            if self.image or any(changes):
                raise ValueError("--history stands alone: it is about the whole data set.")
            return
        if not self.image:
            raise ValueError("Name an image of the data set, or give --history.")
        if sum(changes) != 1:
            raise ValueError(
                "Say what to do with the image: --drop, --label or --undo, one of these."
            )
        if not self.because.strip():
            raise ValueError('Say why, for the history: --because "a painting"')
        if self.source and not self.label:
            raise ValueError("--source is for an image that is relabelled. Give --label, too.")
