"""Say how to install a package that is missing."""

import importlib.util
import re
from pathlib import Path

EXTRA_OF_PACKAGE = {"scipy": "calibrate", "imagehash": "calibrate"}
"""Extra that brings a package; of all others it takes several."""

REPOSITORY_ROOT = Path(__file__).parents[2]
DEVELOPMENT_REQUIREMENTS = REPOSITORY_ROOT / "requirements-dev.txt"
"""Packages for the tests and the documents' pictures; an installed Telltale lacks the file."""


def require_packages(*names: str) -> None:
    """Raise ModuleNotFoundError for the first package that is not installed: a command that will
    need them says so before its work."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def explain_missing_package(error: ModuleNotFoundError) -> str:
    """Return how to install the package that an import did not find.

    Raises:
        ModuleNotFoundError: the module is one of ours.
    """
    package = (error.name or "").partition(".")[0]
    if not package or (REPOSITORY_ROOT / package).exists():
        raise error
    missing = f"{package} is not installed, and this command needs it."
    if _is_for_development(package):
        return f"{missing} Run `pip install -r {DEVELOPMENT_REQUIREMENTS.name}`."
    if extra := EXTRA_OF_PACKAGE.get(package):
        return (
            f"{missing} In Telltale's folder run `pip install -r requirements-{extra}.txt`, or "
            f"`pip install '.[{extra}]'` for the command `telltale`; data sets and training need "
            "requirements.txt, or '.[train,generate]'."
        )
    return (
        f"{missing} In Telltale's folder run `pip "
        "install -r requirements.txt`, or `pip install '.[train,generate]'` for the command "
        "`telltale`; judging images alone needs less."
    )


def _is_for_development(package: str) -> bool:
    return DEVELOPMENT_REQUIREMENTS.is_file() and bool(
        re.search(rf"^{package}\b", DEVELOPMENT_REQUIREMENTS.read_text(), re.MULTILINE)
    )
