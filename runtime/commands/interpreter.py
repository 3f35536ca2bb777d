"""Prepare Python; tell in one sentence that it is too old, or that packages are not installed.

Every `__main__.py` imports this module before all others of Telltale: they do not start then. It
and the `__main__.py` files must be readable to Python 3.6.
"""

import gc
import sys
from importlib.util import find_spec

MIN_PYTHON = (3, 11)
FIRST_PACKAGES = ("rich", "tyro", "msgspec")
"""Packages that every command imports first; others are told of when they are needed."""

GC_THRESHOLD = 20000
"""New objects between two garbage collections; Python's 700 means hundreds during the imports."""


def explain_interpreter():
    """Return what is wrong with this Python and what to do; an empty string if nothing is."""
    if sys.version_info < MIN_PYTHON:
        return (
            f"Telltale needs Python {MIN_PYTHON[0]}.{MIN_PYTHON[1]} or newer, and this is Python "
            f"{sys.version_info[0]}.{sys.version_info[1]}; run it with a newer one, such as that "
            "of the virtual environment it was installed in."
        )
    missing = [name for name in FIRST_PACKAGES if find_spec(name) is None]
    if missing:
        return (
            f"{missing[0]} is not installed for this Python ({sys.executable}); activate the "
            "virtual environment that Telltale was installed in, or run `pip install -r "
            "requirements.txt` in its folder."
        )
    return ""


if explain_interpreter():
    sys.stderr.write(f"error: {explain_interpreter()}\n")
    sys.exit(2)

gc.set_threshold(GC_THRESHOLD)
