"""Settings of `python -m data_collection audit, verify, upload, download, regenerate`.

The docstrings are the `--help` texts.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from runtime import options


@dataclass(frozen=True)
class AuditSettings:
    """Audits a data set again: does anything but the face give the label away? Exit code 4 if
    something does (RED)."""

    dataset: Annotated[Path, tyro.conf.Positional]
    """Folder of the data set, such as data/faces."""

    logs: Path = Path("logs")
    """Folder of TensorBoard's logs."""

    seed: int = 0
    """Random seed of the cross-validation and the bootstrap."""

    def __post_init__(self) -> None:
        options.check_ranges(self, seed=(0, 2**31 - 1))


@dataclass(frozen=True)
class VerifySettings:
    """Reads every file of a data set: is it what it was when it was collected? Lists what is not;
    exit code 6 then."""

    dataset: Annotated[Path, tyro.conf.Positional]
    """Folder of the data set, such as data/faces."""


@dataclass(frozen=True)
class UploadSettings:
    """Copies a data set, with the features of frozen bases, to an object store; what is there
    already is not copied again."""

    dataset: Annotated[Path, tyro.conf.Positional]
    """Folder of the data set, such as data/faces."""

    url: Annotated[str, tyro.conf.Positional]
    """Where to, such as s3://bucket/faces (`pip install -r requirements-s3.txt`)."""


@dataclass(frozen=True)
class DownloadSettings:
    """Copies a data set from an object store; what is here already is not copied again."""

    url: Annotated[str, tyro.conf.Positional]
    """Where from, such as s3://bucket/faces (`pip install -r requirements-s3.txt`)."""

    dataset: Annotated[Path, tyro.conf.Positional]
    """Folder of the data set, such as data/faces."""


@dataclass(frozen=True)
class RegenerateSettings:
    """Draws one image again, alone, from its row in the manifest."""

    dataset: Annotated[Path, tyro.conf.Positional]
    """Folder of the data set, such as data/faces."""

    file: Annotated[str, tyro.conf.Positional]
    """The image's `file` in manifest.jsonl, or the beginning of its `id`."""

    out: Path = Path("regenerated.png")
    """Where the picture is written."""
