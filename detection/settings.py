"""Settings of `python -m detection`; the docstrings are the `--help` texts."""

import glob
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_collection.services import object_store
from runtime.command_lines.option_groups import (
    Basic,
    Folders,
    Metavar,
    OrNone,
    Output,
    Paths,
    Verdict,
)
from runtime.commands import workspace

EVIDENCE_SUFFIXES = (".html", ".htm", ".png")

UNUSED_BY_VERIFY = (
    *("evidence", "csv", "explain", "keep", "html"),
    *("false_alarms", "misses", "calibration", "prevalence", "any_picture"),
)
"""Options that the page decides, or that have no use there."""


@dataclass(frozen=True, kw_only=True)
class DetectionSettings:
    """Judge whether images look generated.

    The verdict is the detector's opinion. What a file's metadata claims about its origin (content
    credentials, a generator, a camera) is shown beside it and does not change it. Exit code 0: all
    images were judged. 1: some were not; the answer says why (no face, for one), or a page of
    evidence does not hold. 8: the detector is missing or was altered.

    Examples:
        python -m detection photo.jpg
        python -m detection photos --csv
        python -m detection photo.jpg --evidence evidence.html
    """

    paths: Annotated[Paths, tyro.conf.Positional, Metavar("PATH")]
    """Image files, folders, patterns such as 'photos/**/*.jpg', or - for one image on standard \
input. Of a folder every file is judged or named with the reason, whatever it is called. \
Write ./web for a file called web."""

    model: Basic[OrNone[Path]] = None
    """Name or folder of a saved detector, or of a data set for the newest detector trained on it; \
default: the one that `python -m detection models` says answers."""

    json: Output[bool] = False
    """Print one JSON array instead of a table."""

    csv: Output[bool] = False
    """Print comma-separated values instead of a table."""

    explain: Basic[bool] = False
    """Name the most similar training faces, and write them and a heat map beside every image, \
IMAGE.heatmap.png; run python -m validation on the detector first. With several faces it is about \
the most suspicious one."""

    keep: Output[OrNone[Path]] = None
    """Save answers in this file: after an interruption, the same command judges only the rest."""

    html: Output[OrNone[Path]] = None
    """Write a page into this file, one that needs no network: all images as thumbnails, the most \
suspicious first, with a filter and a CSV file. An interrupted run resumes, as with --keep."""

    evidence: Output[OrNone[Path]] = None
    """Write a page about one image to hand on, evidence.html, with everything that the answer \
depends on; evidence.png writes the same as a picture, too."""

    verify: Output[OrNone[Path]] = None
    """Check such a page against its image: `--verify evidence.html photo.jpg` shows edits and \
figures that do not repeat, with exit code 1."""

    false_alarms: Verdict[OrNone[float]] = None
    """Largest share of photographs that may be called generated, one that the detector has a cut \
for, such as 0.01; default: its own."""

    misses: Verdict[OrNone[float]] = None
    """Largest share of generated images that may be called real, in the same way."""

    calibration: Verdict[str] = ""
    """Name of a calibration that `python -m detection calibrate` has made of your photographs; \
its false-alarm cuts replace the detector's own."""

    prevalence: Verdict[OrNone[float]] = None
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
        if self.evidence is not None:
            self._check_evidence()
        if self.verify is not None:
            self._check_verify()

    def _check_evidence(self) -> None:
        if self.evidence.suffix.lower() not in EVIDENCE_SUFFIXES:
            raise ValueError(
                f"--evidence writes a page, evidence.html, or a picture of it, evidence.png; not "
                f"{self.evidence}."
            )
        if not self._names_one_file():
            raise ValueError("--evidence is about one image. Name one file.")
        if self.explain or self.keep or self.html:
            raise ValueError("--evidence writes one page. Leave --explain, --keep and --html out.")

    def _check_verify(self) -> None:
        if not self._names_one_file():
            raise ValueError(
                "--verify needs the page and its image: --verify evidence.html photo.jpg"
            )
        given = [f"--{name.replace('_', '-')}" for name in UNUSED_BY_VERIFY if getattr(self, name)]
        if given:
            raise ValueError(f"--verify judges as the page says; leave {' and '.join(given)} out.")

    def _names_one_file(self) -> bool:
        (path, *more) = self.paths
        is_pattern = glob.has_magic(path) and not os.path.lexists(path)
        return not (more or path == "-" or is_pattern or os.path.isdir(path))
