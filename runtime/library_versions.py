"""Versions: of Telltale, and of the installed libraries that decide what a detector is."""

import contextlib
import importlib.metadata
import tomllib
from pathlib import Path

RECORDED_LIBRARIES = (
    "keras",
    "tensorflow",
    "keras-tuner",
    "onnxruntime",
    "scikit-learn",
    "numpy",
    "pillow",
)


def get_library_versions() -> dict[str, str]:
    """Return the versions of those RECORDED_LIBRARIES that are installed."""
    versions = {}
    for name in RECORDED_LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def read_version() -> str:
    """Return Telltale's version: that of the source folder, or of the installed package."""
    source = Path(__file__).parents[1] / "pyproject.toml"
    if source.is_file():
        return tomllib.loads(source.read_text(encoding="utf-8"))["project"]["version"]
    return importlib.metadata.version("telltale")
