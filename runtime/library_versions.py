"""Versions of the installed libraries that decide what a feature or a detector is."""

import functools
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


@functools.cache
def get_library_versions() -> dict[str, str]:
    """Return the versions of those RECORDED_LIBRARIES that are installed."""
    installed = {
        distribution.name.lower(): distribution.version
        for distribution in importlib.metadata.distributions()
        if distribution.name
    }
    return {name: installed[name] for name in RECORDED_LIBRARIES if name in installed}
