"""Settings of `python -m detection`; the docstrings are the `--help` texts."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_collection.services import object_store
from runtime.command_lines.option_groups import Basic, Folders, Metavar, Output, Verdict
from runtime.commands import workspace


@dataclass(frozen=True, kw_only=True)
class DetectionSettings:
    """Judge whether images look generated.

    The verdict is the detector's opinion. What a file's metadata claims about its origin (content
    credentials, a generator, a camera) is shown beside it and does not change it. Exit code 0: all
    images were judged. 1: some were not; the answer says why (no face, for one). 8: the detector
    is missing or was altered.

    Examples:
        python -m detection photo.jpg
        python -m detection photos --csv
        python -m detection photos --model faces-1 --keep answers.jsonl
    """

    paths: Annotated[tuple[str, ...], tyro.conf.Positional, Metavar("PATH")]
    """Image files, folders, patterns such as 'photos/**/*.jpg', or - for one image on standard \
input. Of a folder every file is judged or named with the reason, whatever it is called. \
Write ./web for a file called web."""

    model: Basic[Path | None] = None
    """Name or folder of a saved detector, or of a data set for the newest detector trained on it; \
default: the one that `python -m detection models` says answers."""

    json: Output[bool] = False
    """Print one JSON array instead of a table."""

    csv: Output[bool] = False
    """Print comma-separated values instead of a table."""

    explain: Basic[bool] = False
    """Write a heat map beside every image, IMAGE.heatmap.png; run python -m validation on the \
detector first. With several faces it is that of the most suspicious one."""

    keep: Output[Path | None] = None
    """Save answers in this file: after an interruption, the same command judges only the rest."""

    html: Output[Path | None] = None
    """Write a page into this file, one that needs no network: all images as thumbnails, the most \
suspicious first, with a filter and a CSV file. An interrupted run resumes, as with --keep."""

    false_alarms: Verdict[float | None] = None
    """Largest share of photographs that may be called generated, one that the detector has a cut \
for, such as 0.01; default: its own."""

    misses: Verdict[float | None] = None
    """Largest share of generated images that may be called real, in the same way."""

    calibration: Verdict[str] = ""
    """Name of a calibration that `python -m detection calibrate` has made of your photographs; \
its false-alarm cuts replace the detector's own."""

    prevalence: Verdict[float | None] = None
    """Share of the images that are generated where you look, such as 0.01. Each answer then also \
has the probability at that prevalence; without it, probabilities are for equal shares."""

    any_picture: Basic[bool] = False
    """Judge images without a face, too. Of several faces, each is judged in any case."""

    saved_models: Folders[Path] = workspace.SAVED_MODELS_FOLDER
    """Folder of all saved detectors."""

    @property
    def format(self) -> str:
        """Name of the output format, a key of PRINTERS."""
        return {(True, False): "json", (False, True): "csv"}.get((self.json, self.csv), "table")

    def __post_init__(self) -> None:
        if not self.paths:
            raise ValueError("Name an image or a folder: python -m detection photo.jpg")
        for path in self.paths:
            if object_store.is_object_store_url(path) and not os.path.lexists(path):
                raise ValueError(
                    f"{path} is an address, and addresses are not fetched; save the picture, then "
                    "name its file."
                )
        if "-" in self.paths and len(self.paths) > 1:
            raise ValueError(
                "- reads one image from standard input and must stand alone. Name files without it."
            )
        if "-" in self.paths and self.explain:
            raise ValueError("--explain writes beside a file. Name a file instead of -.")
        if "-" in self.paths and self.html:
            raise ValueError("--html is about files. Name a file or a folder instead of -.")
        for option, value in (("--keep", self.keep), ("--html", self.html)):
            if self.explain and value:
                raise ValueError(
                    f"--explain judges every image anew, and {option} skips judged ones. Give one "
                    "of them."
                )
        if self.prevalence is not None and not 0 < self.prevalence < 1:
            raise ValueError(f"--prevalence is {self.prevalence}; choose a share between 0 and 1.")
        if self.json and self.csv:
            raise ValueError("--json and --csv are both output formats. Give one of the two.")
