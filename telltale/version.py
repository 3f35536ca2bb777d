"""Tell the version of Telltale."""

import importlib.metadata
import tomllib
from pathlib import Path


def read_version() -> str:
    """Return Telltale's version: that of the source folder, or of the installed package."""
    source = Path(__file__).parents[1] / "pyproject.toml"
    if source.is_file():
        return tomllib.loads(source.read_text(encoding="utf-8"))["project"]["version"]
    return importlib.metadata.version("telltale")
