"""Versions of the installed libraries that decide what a feature or a detector is."""

import contextlib
import importlib.metadata

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
