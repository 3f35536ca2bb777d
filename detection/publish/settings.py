"""PublishSettings: which detector goes to the Hugging Face hub, and under which name. The
docstrings are the `--help` texts."""

import re
from dataclasses import dataclass
from pathlib import Path

import tyro

HUB_NAME_PATTERN = r"(?!.*(?:--|\.\.))\w(?:[\w.-]{0,94}\w)?"
"""The hub's rule for the name of an owner and of a repository."""


@dataclass(frozen=True)
class PublishSettings:
    """Publish a saved detector on the Hugging Face hub, in one commit; a table says first what goes
    and what stays here.

    Only files on a list go: the model, its card, what `python -m validation` has found, never the
    data. Log in with `hf auth login`, or set HF_TOKEN. Exit code 7: the hub cannot be reached or
    refuses. 8: no detector, or an altered one.
    """

    repo: tyro.conf.Positional[str]
    """Name on the hub, such as ann/telltale-faces; it is made if there is none."""

    model: Path | None = None
    """Folder or name of a saved detector; without it, the newest."""

    private: bool = False
    """Make the repository private. One that is public already is refused."""

    with_report: bool = False
    """Publish report/index.html, too: it shows photographs of people, with the names of their
    files."""

    dry_run: bool = False
    """Print the table and stop: no network, no token."""

    revision: str = ""
    """Branch to publish to; it is made if there is none. Without it, the main one."""

    saved_models: Path = Path("saved_models")
    """Folder of all saved detectors."""

    def __post_init__(self) -> None:
        if not re.fullmatch(
            f"{HUB_NAME_PATTERN}/{HUB_NAME_PATTERN}", self.repo, re.ASCII
        ) or self.repo.endswith(".git"):
            raise ValueError(
                f"{self.repo} is no name of a model on the hub; give OWNER/NAME, such as ann/telltale-faces."
            )
        if self.revision and not re.fullmatch(r"(?!.*\.\.)\w[\w./-]*", self.revision, re.ASCII):
            raise ValueError(
                f"--revision is {self.revision!r}; give the plain name of a branch, such as v2."
            )
