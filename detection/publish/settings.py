"""Settings of `python -m detection publish`; the docstrings are the `--help` texts."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from runtime.command_lines.option_groups import Advanced, Basic, Folders, Metavar
from runtime.commands import workspace

HUB_NAME_PATTERN = r"(?!.*(?:--|\.\.))\w(?:[\w.-]{0,94}\w)?"
"""The Hub's rule for names of owners and repositories."""


@dataclass(frozen=True, kw_only=True)
class PublishSettings:
    """Publish a saved detector on the Hugging Face Hub in one commit, after a table of its files.
    --out writes the same files into a folder instead.

    Only listed files are published: the model, its card and the validation results, never the data.
    Log in with `hf auth login`, or set HF_TOKEN. Exit code 7: the Hub cannot be reached or refuses.
    8: the detector is missing, was altered, or was trained on the sample data set.

    Examples:
        python -m detection publish ann/telltale-faces --dry-run
        python -m detection publish --out folder/for/the/files
    """

    repo: tyro.conf.Positional[str | None] = None
    """Name on the Hub, such as ann/telltale-faces; created if missing."""

    out: Basic[Path | None] = None
    """New folder to write the files into, instead of sending them: no network, no token."""

    model: Basic[Path | None] = None
    """Name or folder of a saved detector, or of a data set for the newest detector trained on it; \
default: the one that `python -m detection models` says answers."""

    private: Basic[bool] = False
    """Make the repository private; a public one is refused."""

    with_report: Advanced[bool] = False
    """Also publish report/index.html: it shows photographs of people, with their file names, \
unless `python -m validation --no-pictures` wrote it."""

    without_base: Advanced[bool] = False
    """Leave out the weights of a vision transformer, as saved detectors do: Telltale fetches them \
by their hash, other programs cannot open the files."""

    dry_run: Basic[bool] = False
    """Print the table and stop: no network, no token."""

    revision: Advanced[Annotated[str, Metavar("BRANCH")]] = ""
    """Branch to publish to, created if missing; default: the main branch."""

    saved_models: Folders[Path] = workspace.SAVED_MODELS_FOLDER
    """Folder of all saved detectors."""

    def __post_init__(self) -> None:
        if (self.repo is None) == (self.out is None):
            raise ValueError("Give a name on the Hub, such as ann/faces, or a folder with --out.")
        if self.repo is not None and (
            not re.fullmatch(f"{HUB_NAME_PATTERN}/{HUB_NAME_PATTERN}", self.repo, re.ASCII)
            or self.repo.endswith(".git")
        ):
            raise ValueError(
                f"{self.repo} is not a name on the Hub. Give OWNER/NAME, such as ann/faces."
            )
        if self.revision and not re.fullmatch(r"(?!.*\.\.)\w[\w./-]*", self.revision, re.ASCII):
            raise ValueError(
                f"--revision is {self.revision!r}. Give the name of a branch, such as v2."
            )
