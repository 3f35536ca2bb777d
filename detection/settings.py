"""DetectionSettings: what to look at, and with which detector. The docstrings are the `--help`
texts."""

from dataclasses import dataclass
from pathlib import Path

import tyro


@dataclass(frozen=True)
class DetectionSettings:
    """Say of pictures whether they look generated.

    Each answer is the detector's opinion; what a file says of its own making (content credentials,
    a generator's or a camera's metadata) is told beside it and does not change it. Exit code 0: all
    were judged. 1: some could not be, the answer says why. 8: no detector, or an altered one.
    """

    paths: tyro.conf.Positional[tuple[str, ...]]
    """Image files, folders to look through, patterns such as 'photos/**/*.jpg', or - for one
    picture on standard input."""

    model: Path | None = None
    """Folder or name of a saved detector; without it, the newest."""

    json: bool = False
    """Print one JSON array instead of a table."""

    csv: bool = False
    """Print comma-separated values instead of a table."""

    explain: bool = False
    """Write a heat map beside every picture, PICTURE.heatmap.png; needs a detector that python -m
    validation has judged."""

    keep: Path | None = None
    """File that answers are kept in: the same command after an interruption judges only what is
    missing."""

    one_face: bool = False
    """Refuse pictures that do not show just one face, instead of judging whatever they show; a face
    detector looks first."""

    saved_models: Path = Path("saved_models")
    """Folder of all saved detectors."""

    @property
    def format(self) -> str:
        """How answers are printed, a name in answers.PRINTERS."""
        return {(True, False): "json", (False, True): "csv"}.get((self.json, self.csv), "table")

    def __post_init__(self) -> None:
        if not self.paths:
            raise ValueError("Name an image or a folder: python -m detection photo.jpg")
        if "-" in self.paths and len(self.paths) > 1:
            raise ValueError(
                "- is one picture on standard input and stands alone; name files without it."
            )
        if "-" in self.paths and self.explain:
            raise ValueError("--explain writes beside a file; name one instead of -.")
        if self.explain and self.keep:
            raise ValueError(
                "--explain looks at every picture anew, and --keep is for those that need not be; give one."
            )
        if self.json and self.csv:
            raise ValueError("--json and --csv are two ways to print the same; give one.")
